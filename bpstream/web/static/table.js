// The table of all patients: searched and paged by the server, asked for every two seconds.

import { ageText } from "./age.js";
import { STATE_MARKS, STATE_WORDS, foremost, stateOf } from "./alarm.js";
import { pageOf } from "./api.js";
import { arrange, byId, element, write } from "./dom.js";
import { WORDS, known, shape } from "./severity.js";
import { WARNINGS, count, percent, whole } from "./words.js";

const EVERY = 2000;
const LIMIT = 25;

export class Table {
  constructor({ open }) {
    this.open = open;
    this.rows = new Map();
    this.search = "";
    this.offset = 0;
    this.total = 0;
    this.shown = false;
    this.round = 0;
    this.timer = 0;
    byId("previous").addEventListener("click", () => this.turn(this.offset - LIMIT));
    byId("next").addEventListener("click", () => this.turn(this.offset + LIMIT));
  }

  // Whether it is on view: else nothing is asked.
  set on(wanted) {
    if (wanted === this.shown) return;
    this.shown = wanted;
    this.update();
  }

  find(search) {
    this.search = search;
    this.turn(0);
  }

  turn(offset) {
    this.offset = Math.max(0, offset);
    this.update();
  }

  async update() {
    clearTimeout(this.timer);
    const mine = ++this.round;
    if (!this.shown || document.hidden) return;
    const { search, offset } = this;
    try {
      const page = await pageOf({ search, offset, limit: LIMIT });
      if (mine !== this.round) return;
      this.show(page);
      write(byId("table-problem"), "");
    } catch (error) {
      if (mine !== this.round) return;
      write(byId("table-problem"), `The table is old: ${error.message}`);
    }
    this.timer = setTimeout(() => this.update(), EVERY);
  }

  show({ total, patients }) {
    this.total = total;
    if (this.offset >= total && this.offset > 0) {
      this.turn(Math.floor(Math.max(0, total - 1) / LIMIT) * LIMIT);
      return;
    }
    const seen = new Set(patients.map((patient) => patient.patient_id));
    for (const id of this.rows.keys()) if (!seen.has(id)) this.rows.delete(id);
    const rows = patients.map((patient) => {
      const id = patient.patient_id;
      if (!this.rows.has(id)) this.rows.set(id, new Row(id, this.open));
      const row = this.rows.get(id);
      row.show(patient);
      return row.root;
    });
    arrange(byId("rows"), rows);
    const last = Math.min(this.offset + LIMIT, total);
    byId("previous").disabled = this.offset === 0;
    byId("next").disabled = last >= total;
    write(byId("range"), total ? `${count(this.offset + 1)}–${count(last)} of ${count(total)}` : "none");
    byId("none").hidden = total > 0;
    write(byId("none"), `No patient's id holds “${this.search}”.`);
  }

  // `now`: epoch ms by the worker's clock; `staleAfter`: ms.
  grow(now, staleAfter) {
    if (this.shown) for (const row of this.rows.values()) row.grow(now, staleAfter);
  }
}

class Row {
  constructor(id, open) {
    this.takenAt = NaN;
    const button = element(
      "button",
      { type: "button", className: "name", title: id },
      element("bdi", { textContent: id }),
    );
    button.addEventListener("click", () => open(id));
    this.level = element("span", { className: "level" });
    this.cells = Object.fromEntries(
      ["pressures", "mean", "age", "alarm", "next", "counts"].map((name) => [
        name,
        element("td", { className: name }),
      ]),
    );
    this.root = element(
      "tr",
      {},
      element("th", { scope: "row" }, button),
      element("td", {}, this.level),
      ...Object.values(this.cells),
    );
  }

  show(patient) {
    const last = patient.last ?? {};
    const severity = known(last.severity ?? "none");
    this.takenAt = Date.parse(last.timestamp);
    if (this.root.dataset.severity !== severity) {
      this.root.dataset.severity = severity;
      this.level.replaceChildren(shape(severity), WORDS[severity]);
    }
    write(this.cells.pressures, `${whole(last.systolic_pressure)} / ${whole(last.diastolic_pressure)}`);
    write(this.cells.mean, whole(last.mean_arterial_pressure));
    const alert = foremost(patient.alerts ?? []);
    const state = alert && stateOf(alert);
    write(this.cells.alarm, alert ? `${STATE_MARKS[state]} ${STATE_WORDS[state]}: ${alert.title}` : "");
    const target = last.early_warning_reasons?.[0]?.target;
    write(this.cells.next, target ? `${WARNINGS[target] ?? target} ${percent(last.early_warning[target])}` : "");
    write(this.cells.counts, `${count(patient.anomalies)} of ${count(patient.readings)}`);
  }

  grow(now, staleAfter) {
    const age = now - this.takenAt;
    const stale = !(age < staleAfter);
    this.root.classList.toggle("stale", stale);
    write(this.cells.age, stale ? `Stale · ${ageText(age)}` : ageText(age));
  }
}
