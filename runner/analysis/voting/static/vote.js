"use strict";
// The voting page. What users wrote only ever becomes text.

(() => {
  const byId = (id) => document.getElementById(id);
  const SIDES = ["left", "right"];
  const LABELS = { left: "The left picture is better", right: "The right picture is better" };
  const ANSWERS = {
    ArrowLeft: "left", ArrowUp: "left", 1: "left",
    ArrowRight: "right", ArrowDown: "right", 2: "right",
    " ": "tie", 0: "tie",
  };
  const NO_PROGRAM =
    "The program behind this page has ended. What you said is kept: start it again to go on.";

  /** Pair's name -> its two pictures, loaded or loading: the one in hand, and the next. */
  let pictures = new Map();
  let voter = null;
  let pair = null;
  let busy = true;

  async function ask(what, said = {}) {
    let answer;
    try {
      const body = JSON.stringify(said);
      const headers = { "Content-Type": "application/json" };
      answer = await fetch(what, { method: "POST", headers, body });
    } catch {
      throw new Error(NO_PROGRAM);
    }
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.problem);
    return told;
  }

  /** Do one thing at a time: what is pressed meanwhile is not meant for the next pair. */
  async function alone(action) {
    if (busy) return;
    busy = true;
    try {
      await action();
      byId("problem").hidden = true;
    } catch (error) {
      byId("problem").textContent = error.message;
      byId("problem").hidden = false;
    } finally {
      busy = false;
      for (const side of SIDES) byId(side).classList.remove("chosen");
    }
  }

  function open(id) {
    for (const main of document.querySelectorAll("main")) main.hidden = main.id !== id;
  }

  function loaded(told) {
    return SIDES.map((side) => {
      const image = new Image();
      image.alt = "";
      image.draggable = false;
      image.src = `picture/${told[side]}`;
      return image;
    });
  }

  async function show(state) {
    const kept = state.pairs.map((told) => [told.pair, pictures.get(told.pair) ?? loaded(told)]);
    pictures = new Map(kept);
    pair = state.pairs[0]?.pair ?? null;
    const said = `${state.done} of ${state.total}`;
    if (pair === null) {
      byId("done-said").textContent = `${said} are done.`;
      byId("undo-done").hidden = !state.undo;
      open("done");
      return;
    }
    const [now] = state.pairs;
    // Both at once, and only when they can be drawn: so nothing flickers, and none comes first.
    await Promise.allSettled(pictures.get(pair).map((image) => image.decode()));
    for (const [place, side] of SIDES.entries()) {
      byId(side).replaceChildren(pictures.get(pair)[place]);
      byId(side).setAttribute("aria-label", LABELS[side]);
    }
    byId("prompt").textContent = now.prompt ?? "";
    byId("prompt").scrollTop = 0;
    byId("progress").textContent = said;
    byId("bar").style.scale = `${state.done / state.total} 1`;
    byId("undo").disabled = !state.undo;
    open("ballot");
  }

  const answer = (said) =>
    alone(async () => {
      byId(said)?.classList.add("chosen");
      await show(await ask("vote", { voter, pair, answer: said }));
    });

  const undo = () => alone(async () => show(await ask("undo", { voter })));

  async function begin(name) {
    const state = await ask("state", { voter: name });
    voter = state.voter;
    sessionStorage.setItem("voter", voter);
    await show(state);
  }

  function pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || !byId("start").hidden) return;
    const key = event.key.toLowerCase();
    const onButton = event.target instanceof HTMLButtonElement && event.key === " ";
    if (key === "u" && !event.repeat) {
      event.preventDefault();
      undo();
    } else if (Object.hasOwn(ANSWERS, event.key) && !onButton && !byId("ballot").hidden) {
      event.preventDefault(); // the page would scroll
      if (!event.repeat) answer(ANSWERS[event.key]);
    }
  }

  function onClick(id, action) {
    byId(id).addEventListener("click", (event) => {
      // Left in focus after the mouse, the space bar would press it again.
      if (event.detail > 0) byId(id).blur();
      action();
    });
  }

  async function start() {
    const about = await ask("about");
    for (const heading of document.querySelectorAll(".question")) {
      heading.textContent = about.question;
    }
    const known = about.voter ?? sessionStorage.getItem("voter");
    if (known !== null) {
      await begin(known);
      return;
    }
    byId("voter").value = about.proposed;
    open("start");
    byId("voter").select();
  }

  onClick("left", () => answer("left"));
  onClick("right", () => answer("right"));
  onClick("tie", () => answer("tie"));
  onClick("undo", undo);
  onClick("undo-done", undo);
  byId("begin").addEventListener("submit", (event) => {
    event.preventDefault();
    alone(() => begin(byId("voter").value));
  });
  document.addEventListener("keydown", pressed);
  busy = false;
  alone(start);
})();
