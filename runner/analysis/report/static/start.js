// All parts, in the order of the page.

drawHead();
drawFailures();
drawGridPickers();
drawGrid();
startTable();
startPlots();
drawComparison();
drawWithin();
drawVotes();
drawContents();
startViewer();
startComparing();
window.addEventListener("resize", fitGrid);
