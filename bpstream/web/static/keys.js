// The keyboard: / finds, arrows or j and k go from patient to patient, ? tells what keys there are.

import { byId } from "./dom.js";

const WRITES = "input, textarea, select, [contenteditable]";

// The patients on view, as they stand.
function patients() {
  return [...document.querySelectorAll("main .name")].filter((button) => button.offsetParent);
}

function step(by) {
  const all = patients();
  const at = all.indexOf(document.activeElement);
  focus(all[at < 0 ? 0 : Math.min(Math.max(0, at + by), all.length - 1)]);
}

// To the patient that stands nearest in the next row above or below.
function row(down) {
  const all = patients();
  const from = document.activeElement;
  if (!all.includes(from)) return focus(all[0]);
  const box = (button) => (button.closest("li, tr") ?? button).getBoundingClientRect();
  const here = box(from);
  const away = (each) => {
    const there = box(each);
    const rows = down ? there.top - here.bottom : here.top - there.bottom;
    return rows < -1 ? Infinity : 1000 * Math.round(rows) + Math.abs(there.left - here.left);
  };
  const nearest = all.reduce((one, other) => (away(other) < away(one) ? other : one));
  return away(nearest) < Infinity ? focus(nearest) : undefined;
}

function focus(button) {
  button?.focus({ preventScroll: true });
  button?.closest("li, tr")?.scrollIntoView({ block: "nearest" });
}

const ACTIONS = {
  "/": () => byId("search").focus(),
  "?": () => byId("help").showModal(),
  a: () => document.querySelector("#alerts button.do:not([hidden])")?.focus(),
  j: () => step(1),
  k: () => step(-1),
  t: () => byId("theme").click(),
  ArrowRight: () => step(1),
  ArrowLeft: () => step(-1),
  ArrowDown: () => row(true),
  ArrowUp: () => row(false),
};

export function listen() {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]") || event.target.matches?.(WRITES)) return;
    // The arrows are the page's own where it scrolls: they walk from a patient on, j and k begin.
    const walks = !event.key.startsWith("Arrow") || document.activeElement?.matches("main .name");
    if (!Object.hasOwn(ACTIONS, event.key) || !walks) return;
    event.preventDefault();
    ACTIONS[event.key]();
  });
  byId("search").addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const { target } = event;
    if (!target.value) target.blur();
    target.value = "";
    target.dispatchEvent(new Event("input"));
  });
  byId("keys").addEventListener("click", ACTIONS["?"]);
  byId("help-close").addEventListener("click", () => byId("help").close());
}
