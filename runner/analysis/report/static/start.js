// All parts, in the order of the page.

choosePlots();
startAddress();
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
startHead();
startViewer();
startComparing();
showNamedPicture();
window.addEventListener("resize", fitGrid);
if (report.live) startLive();
