// The heat strip: one cell a patient, in the order of the ids.  It is one widget: the arrow keys
// go from cell to cell, and the patient's name is asked for where they stop.

import { pageOf } from "./api.js";
import { element, write } from "./dom.js";
import { WORDS } from "./severity.js";
import { count } from "./words.js";

const LEVELS = { 0: "none", 1: "low", 2: "medium", 3: "high", 4: "critical", s: "stale" };

// Milliseconds a cell is stood on before its patient is asked for.
const REST = 120;
const PAGE = 10; // Rows.

export class Heat {
  constructor({ root, readout, open }) {
    Object.assign(this, { root, readout, open });
    this.cells = [];
    this.levels = "";
    this.at = 0;
    this.names = new Map(); // Ids by position, while the number of patients stays.
    this.timer = 0;
    root.addEventListener("keydown", (event) => this.press(event));
    root.addEventListener("focus", () => this.stand(this.at));
    root.addEventListener("blur", () => this.cells[this.at]?.classList.remove("at"));
    root.addEventListener("pointermove", ({ target }) => this.point(target));
    root.addEventListener("click", ({ target }) => {
      if (!(target.dataset.at >= 0)) return;
      this.stand(Number(target.dataset.at));
      this.enter();
    });
  }

  show(levels) {
    if (levels === this.levels) return;
    if (levels.length !== this.levels.length) this.names.clear();
    while (this.cells.length < levels.length) {
      const cell = element("i");
      cell.dataset.at = this.cells.length;
      this.cells.push(cell);
      this.root.append(cell);
    }
    while (this.cells.length > levels.length) this.cells.pop().remove();
    for (let at = 0; at < levels.length; at += 1) {
      if (levels[at] !== this.levels[at]) this.cells[at].dataset.level = LEVELS[levels[at]] ?? "critical";
    }
    this.levels = levels;
    this.at = Math.min(this.at, Math.max(0, levels.length - 1));
    this.root.ariaValueMin = "1";
    this.root.ariaValueMax = String(levels.length);
    this.tell();
  }

  press(event) {
    const row = this.row();
    const steps = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -row,
      ArrowDown: row,
      PageUp: -PAGE * row,
      PageDown: PAGE * row,
      Home: -Infinity,
      End: Infinity,
    };
    if (event.key === "Enter" || event.key === " ") this.enter();
    else if (event.key in steps) this.stand(this.at + steps[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Cells in a row, as they stand.
  row() {
    const top = this.cells[0]?.offsetTop;
    const next = this.cells.findIndex((cell) => cell.offsetTop !== top);
    return next > 0 ? next : this.cells.length;
  }

  point(target) {
    if (target.dataset.at >= 0 && Number(target.dataset.at) !== this.at) {
      this.stand(Number(target.dataset.at));
    }
  }

  stand(at) {
    this.cells[this.at]?.classList.remove("at");
    this.at = Math.min(Math.max(0, at), this.cells.length - 1);
    this.cells[this.at]?.classList.add("at");
    this.tell();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.name(this.at), REST);
  }

  async name(at) {
    if (!this.names.has(at)) {
      const { names } = this;
      const { patients } = await pageOf({ offset: at, limit: 1 });
      if (!patients.length) return undefined;
      names.set(at, patients[0].patient_id);
    }
    if (at === this.at) this.tell();
    return this.names.get(at);
  }

  tell() {
    const level = LEVELS[this.levels[this.at]];
    const words = [`Patient ${count(this.at + 1)} of ${count(this.levels.length)}`];
    if (this.names.has(this.at)) words.push(this.names.get(this.at));
    words.push(WORDS[level] ?? "Stale");
    this.root.ariaValueNow = String(this.at + 1);
    this.root.ariaValueText = words.join(", ");
    write(this.readout, words.join(" · "));
  }

  async enter() {
    clearTimeout(this.timer);
    const id = await this.name(this.at);
    if (id !== undefined) this.open(id);
  }
}
