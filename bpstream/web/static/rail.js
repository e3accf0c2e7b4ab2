// The rail: what fires, as the worker orders it: unacknowledged first, then the most severe, then
// the oldest; then what is pending.  An entry stays the same element while its alert is on, so
// that nobody who is writing into its form is disturbed.

import { ageText } from "./age.js";
import { STATE_MARKS, STATE_WORDS, stateOf, subject } from "./alarm.js";
import { tell } from "./api.js";
import { arrange, element, write } from "./dom.js";
import { WORDS, known, shape } from "./severity.js";
import { count } from "./words.js";

// Who acknowledged last on this page; gone with it, for several may share a screen.
let name = "";

export class Rail {
  // `open(id)` shows a patient.
  constructor({ list, waiting, news, rest, open }) {
    Object.assign(this, { list, waiting, news, rest, open });
    this.entries = new Map();
    this.critical = null; // Ids of the critical alerts that were told; null before the first list.
  }

  // `total` alerts are on, of which the most urgent are `shown`.
  show({ total, unacknowledged, shown }) {
    write(this.waiting, total ? `${count(unacknowledged)} to acknowledge, ${count(total)} in all` : "none");
    write(this.rest, total > shown.length ? `and ${count(total - shown.length)} more` : "");
    const seen = new Set(shown.map((alert) => alert.alert_id));
    for (const id of this.entries.keys()) if (!seen.has(id)) this.drop(id);
    for (const alert of shown) {
      const id = alert.alert_id;
      if (!this.entries.has(id)) this.entries.set(id, new Entry(this.open));
      this.entries.get(id).show(alert);
    }
    const wanted = shown.map((alert) => this.entries.get(alert.alert_id).root);
    // Nothing moves under the hand of who writes; what is new is shown all the same.
    const writing = document.activeElement?.closest("form") ?? null;
    arrange(this.list, wanted, this.list.contains(writing));
    this.tell(shown.filter((alert) => alert.severity === "critical" && alert.state === "firing"));
  }

  // Of an alert that is over; who was on it is taken to the list, and not to the top of the page.
  drop(id) {
    const { root } = this.entries.get(id);
    if (root.contains(document.activeElement)) this.list.focus({ preventScroll: true });
    root.remove();
    this.entries.delete(id);
  }

  // Says new critical alerts to who does not see the page.
  tell(critical) {
    const fresh = critical.filter((alert) => this.critical && !this.critical.has(alert.alert_id));
    if (fresh.length) write(this.news, fresh.map((alert) => `Critical: ${subject(alert)}`).join(". "));
    this.critical = new Set(critical.map((alert) => alert.alert_id));
  }

  // `now`: epoch ms by the worker's clock.
  grow(now) {
    for (const entry of this.entries.values()) entry.grow(now);
  }
}

class Entry {
  constructor(open) {
    this.alert = {};
    this.severity = element("span", { className: "level" });
    this.state = element("span", { className: "state" });
    this.title = element("p", { className: "title" });
    this.id = element("bdi");
    this.patient = element("button", { type: "button", className: "patient" }, this.id);
    this.patient.addEventListener("click", () => open(this.alert.patient_id));
    this.age = element("span", { className: "age" });
    this.said = element("p", { className: "said" });
    this.problem = element("p", { className: "problem", role: "alert" });
    this.button = element("button", { type: "button", className: "do", textContent: "Acknowledge" });
    this.button.addEventListener("click", () => this.open(this.form.hidden));
    this.makeForm();
    this.root = element(
      "li",
      { className: "alert" },
      element("div", { className: "line" }, this.severity, this.state, this.age),
      this.title,
      element("div", { className: "line" }, this.patient, this.button),
      this.said,
      this.form,
      this.problem,
    );
  }

  makeForm() {
    this.by = element("input", { name: "by", required: true, maxLength: 100, autocomplete: "name" });
    this.comment = element("input", { name: "comment", maxLength: 1000, autocomplete: "off" });
    this.submit = element("button", { className: "do", textContent: "Acknowledge" });
    const cancel = element("button", { type: "button", textContent: "Cancel" });
    cancel.addEventListener("click", () => this.open(false));
    this.form = element(
      "form",
      { hidden: true },
      element("label", {}, "Your name", this.by),
      element("label", {}, "Comment", this.comment),
      element("div", { className: "line" }, this.submit, cancel),
    );
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.open(false);
    });
  }

  open(wanted) {
    this.form.hidden = !wanted;
    this.button.hidden = wanted || stateOf(this.alert) !== "firing";
    this.button.ariaExpanded = String(wanted);
    if (wanted) {
      this.by.value ||= name;
      (this.by.value ? this.comment : this.by).focus();
    } else {
      write(this.problem, "");
      this.button.focus();
    }
  }

  show(alert) {
    this.alert = alert;
    const severity = known(alert.severity);
    if (this.root.dataset.severity !== severity) {
      this.root.dataset.severity = severity;
      this.severity.replaceChildren(shape(severity), WORDS[severity]);
    }
    const state = stateOf(alert);
    this.root.dataset.alarm = state;
    write(this.state, `${STATE_MARKS[state]} ${STATE_WORDS[state]}`);
    write(this.title, alert.title);
    write(this.id, alert.patient_id ?? "The ward");
    this.patient.disabled = alert.patient_id == null;
    this.patient.title = alert.patient_id ?? "";
    const { acknowledged, silenced } = alert;
    const words = [];
    if (acknowledged) words.push(`✓ ${acknowledged.by}${acknowledged.comment ? `: ${acknowledged.comment}` : ""}`);
    if (silenced) words.push(`silenced by ${silenced.by} until ${clock(silenced.until)}`);
    write(this.said, words.join(" · "));
    this.said.hidden = words.length === 0;
    if (state !== "firing") this.form.hidden = true;
    this.button.hidden = state !== "firing" || !this.form.hidden;
    this.button.ariaLabel = `Acknowledge ${subject(alert)}`;
  }

  async send() {
    this.submit.disabled = true;
    write(this.problem, "");
    const said = { by: this.by.value.trim(), comment: this.comment.value.trim() };
    try {
      const told = await tell(`/alerts/${encodeURIComponent(this.alert.alert_id)}/acknowledge`, said);
      name = said.by;
      const next = this.root.nextElementSibling?.querySelector("button.do:not([hidden])");
      this.show(told);
      (next ?? this.patient).focus();
    } catch (error) {
      write(this.problem, error.told ? error.message : `Not acknowledged: ${error.message}`);
      if (error.told?.alert) this.show(error.told.alert);
    } finally {
      this.submit.disabled = false;
    }
  }

  grow(now) {
    write(this.age, ageText(now - Date.parse(this.alert.since)));
  }
}

function clock(time) {
  return new Date(time).toLocaleTimeString([], { hour12: false, hour: "2-digit", minute: "2-digit" });
}
