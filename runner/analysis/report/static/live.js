// The page of `kandinsky view`: it fills while the sweep runs, and what is looked at stays.

const SOONEST = 2000; // milliseconds between two questions
const NO_ANSWER = "The server does not answer: this page stays as it is.";
let followed = "";

function startLive() {
  followed = report.live.version;
  byId("live").hidden = false;
  sayLive();
  startVoting();
  setTimeout(follow, SOONEST);
}

/** Ask for news, again and again; while nobody looks, or something is in hand, it can wait. */
async function follow() {
  const began = Date.now();
  const { tagName, type } = document.activeElement ?? {};
  if (!document.hidden && tagName !== "SELECT" && type !== "range") {
    const { status, data } = await askForNews();
    if (status === 200) takeNews(data);
    else if (status !== 204) byId("live-said").textContent = data?.problem ?? NO_ANSWER;
    else if (byId("live-said").textContent === NO_ANSWER) sayLive();
  }
  // Reading a large sweep takes time of the machine that draws it: a tenth of a core at most.
  setTimeout(follow, Math.max(SOONEST, 9 * (Date.now() - began)));
}

async function askForNews() {
  try {
    const answer = await fetch(`facts.json?after=${followed}`, { cache: "no-store" });
    return { status: answer.status, data: answer.status === 204 ? null : await answer.json() };
  } catch {
    return { status: 0, data: null };
  }
}

function takeNews(data) {
  const looked = changedLooks();
  const chosen = pair.chosen.map(imageKey);
  const inHand = document.activeElement?.dataset?.image;
  const focused = inHand === undefined ? null : imageKey(Number(inHand));
  const votes = String(report.live.vote);
  const opened = new Set([...placedDetails()].filter(([, { open }]) => open).map(([place]) => place));
  report = data;
  followed = report.live.version;
  // All as at first, so that what is usual is told from what is looked at.
  Object.assign(grid, startingGrid());
  Object.assign(table, { by: 0, down: false, words: [] });
  Object.assign(viewer, { image: null, other: null });
  pair.mode = "side";
  cellColumns = columnsOfCells();
  choosePlots();
  keepLooks();
  usual = readLooks();
  takeLooks(looked);
  pair.chosen = chosen.map(imageNamed).filter((image) => image !== null);
  drawHead();
  drawFailures();
  drawGridPickers();
  drawGrid();
  drawCells();
  drawPlots();
  drawComparison();
  drawWithin();
  drawVotes();
  drawContents();
  for (const [place, details] of placedDetails()) details.open ||= opened.has(place);
  sayLive();
  if (String(report.live.vote) !== votes) startVoting();
  if (byId("viewer").open && viewer.image === null) byId("viewer").close();
  else if (byId("viewer").open) tellPosition();
  if (focused !== null) tileOf(imageNamed(focused))?.focus({ preventScroll: true });
}

/** What can be unfolded, each with its place: its section, and its number in that. */
function placedDetails() {
  const all = [...document.querySelectorAll("section details")].map((details) => {
    const section = details.closest("section");
    const number = [...section.querySelectorAll("details")].indexOf(details);
    return [`${section.id} ${number}`, details];
  });
  return new Map(all);
}

/** What is running, failing and left. */
function sayLive() {
  const count = (...statuses) =>
    report.cells.filter(({ status }) => statuses.includes(status)).length;
  const parts = [
    [count("FINISHED"), "finished"],
    [count("RUNNING"), "running"],
    [count("FAILED", "KILLED"), "failed or stopped"],
    [count("PENDING"), "left"],
  ].filter(([cells]) => cells > 0);
  const said = parts.map(([cells, how]) => `${cells} ${how}`).join(", ");
  byId("live-said").textContent =
    report.cells.length > 1 ? `${counted(report.cells.length, "cell")}: ${said}` : said;
}

/** Voting opens beside this page; which settings are compared is asked here. */
function startVoting() {
  const axes = report.live.vote;
  byId("vote").hidden = axes.length === 0;
  const by = picker("Vote on", axes.map((name) => [name, name]), axes[0] ?? "", () => {});
  const begin = button("Vote", async () => {
    const said = { by: by.querySelector("select").value };
    const answer = await fetch("vote", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(said),
    }).then((got) => got.json(), () => ({ problem: "The server has ended." }));
    byId("vote-said").replaceChildren(
      answer.address
        ? make("a", { href: answer.address, target: "_blank", rel: "noopener" }, "Open the voting page")
        : answer.problem,
    );
  });
  byId("vote").replaceChildren(by, begin, make("span", { id: "vote-said", role: "status" }));
}
