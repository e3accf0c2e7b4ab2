// The rail: what fires, as the worker orders it: unacknowledged first, then the most severe, then
// the oldest.  An entry stays the same element while its alert fires, so that nobody who is
// writing into its form is disturbed.

import { ageText } from "./age.js";
import { element, write } from "./dom.js";
import { WORDS, known, shape } from "./severity.js";

// Entries on the page; the others are counted.
const MOST = 60;

const PATIENCE = 10_000;

// Who acknowledged last on this page; gone with it, for several may share a screen.
let name = "";

export class Rail {
  // `changed` is called when something was acknowledged: what is shown is old.
  constructor({ list, count, news, rest, changed }) {
    Object.assign(this, { list, count, news, rest, changed });
    this.entries = new Map();
    this.critical = null; // Ids of the critical alerts that were told; null before the first list.
  }

  show(alerts) {
    const firing = alerts.filter((alert) => alert.state === "firing");
    const waiting = firing.filter((alert) => !alert.acknowledged).length;
    write(this.count, firing.length ? `${waiting} of ${firing.length} not acknowledged` : "none");
    const shown = firing.slice(0, MOST);
    write(this.rest, firing.length > MOST ? `and ${firing.length - MOST} more` : "");
    const seen = new Set(shown.map((alert) => alert.alert_id));
    for (const [id, entry] of this.entries) {
      if (seen.has(id)) continue;
      entry.root.remove();
      this.entries.delete(id);
    }
    const focused = this.list.contains(document.activeElement) ? document.activeElement : null;
    const writing = Boolean(focused?.closest("form"));
    shown.forEach((alert, position) => {
      const id = alert.alert_id;
      if (!this.entries.has(id)) this.entries.set(id, new Entry(this.changed));
      const entry = this.entries.get(id);
      entry.show(alert);
      // Nothing moves under the hand of who writes.
      if (writing && entry.root.isConnected) return;
      const there = this.list.children[position];
      if (there !== entry.root) this.list.insertBefore(entry.root, there ?? null);
    });
    // What is moved loses the focus.
    if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
    this.tell(firing.filter((alert) => alert.severity === "critical"));
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

function subject(alert) {
  return `${alert.title}, ${alert.patient_id ?? "no patient"}`;
}

class Entry {
  constructor(changed) {
    this.changed = changed;
    this.alert = {};
    this.severity = element("span", { className: "level" });
    this.title = element("span", { className: "title" });
    this.patient = element("bdi", { className: "patient" });
    this.age = element("span", { className: "age" });
    this.said = element("p", { className: "said" });
    this.problem = element("p", { className: "problem", role: "alert" });
    this.button = element("button", { type: "button", textContent: "Acknowledge" });
    this.button.addEventListener("click", () => this.open(this.form.hidden));
    this.makeForm();
    this.root = element(
      "li",
      { className: "alert" },
      element("div", { className: "line" }, this.severity, this.age),
      element("p", {}, this.title, " · ", this.patient),
      this.said,
      this.button,
      this.form,
      this.problem,
    );
  }

  makeForm() {
    this.by = element("input", { name: "by", required: true, maxLength: 100, autocomplete: "name" });
    this.comment = element("input", { name: "comment", maxLength: 1000, autocomplete: "off" });
    this.submit = element("button", { textContent: "Acknowledge" });
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
      if (event.key === "Escape") this.open(false);
    });
  }

  open(wanted) {
    this.form.hidden = !wanted;
    this.button.hidden = wanted || Boolean(this.alert.acknowledged);
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
    write(this.title, alert.title);
    write(this.patient, alert.patient_id ?? "no patient");
    const { acknowledged, silenced } = alert;
    const words = [];
    if (acknowledged) words.push(`✓ ${acknowledged.by}${acknowledged.comment ? `: ${acknowledged.comment}` : ""}`);
    if (silenced) words.push(`silenced by ${silenced.by} until ${clock(silenced.until)}`);
    write(this.said, words.join(" · "));
    this.root.classList.toggle("acknowledged", Boolean(acknowledged));
    if (acknowledged) this.form.hidden = true;
    this.button.hidden = Boolean(acknowledged) || !this.form.hidden;
    this.button.ariaLabel = `Acknowledge ${subject(alert)}`;
  }

  async send() {
    this.submit.disabled = true;
    write(this.problem, "");
    const said = { by: this.by.value.trim(), comment: this.comment.value.trim() };
    try {
      const answer = await fetch(`/alerts/${encodeURIComponent(this.alert.alert_id)}/acknowledge`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(said),
        signal: AbortSignal.timeout(PATIENCE),
      });
      const told = await answer.json();
      if (answer.ok) {
        name = said.by;
        const next = this.root.nextElementSibling?.querySelector("button:not([hidden])");
        this.show(told);
        next?.focus();
      } else {
        write(this.problem, told.error);
        if (told.alert) this.show(told.alert);
      }
    } catch (error) {
      write(this.problem, `Not acknowledged: ${error.message}`);
    } finally {
      this.submit.disabled = false;
    }
    this.changed();
  }

  grow(now) {
    write(this.age, ageText(now - Date.parse(this.alert.since)));
  }
}

function clock(time) {
  return new Date(time).toLocaleTimeString([], { hour12: false, hour: "2-digit", minute: "2-digit" });
}
