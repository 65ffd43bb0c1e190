// All parts, in the order of the page.

drawHead();
drawFailures();
choosePlots();
startAddress();
drawGridPickers();
drawGrid();
startTable();
startPlots();
drawComparison();
drawWithin();
drawContents();
startViewer();
startComparing();
showNamedPicture();
window.addEventListener("resize", fitGrid);
