// The header: the connection and the clock, what the workers say of themselves, and how many
// patients there are by severity.

import { byId, element, write } from "./dom.js";
import { SEVERITIES, WORDS, shape } from "./severity.js";
import { count, time } from "./words.js";

const SINKS = {
  Index: ["index", "Where anomalies are stored"],
  Archive: ["archive", "Where normal readings are stored"],
  Webhook: ["webhook", "Where alerts are sent"],
  Alertmanager: ["alertmanager", "Where alerts are sent"],
};

export class Header {
  constructor() {
    this.facts = new Map();
    this.legend = new Map();
    for (const name of [...SEVERITIES, "stale"]) {
      const number = element("b", { textContent: "–" });
      const mark = name in WORDS ? shape(name) : element("span", { className: "hatch" });
      const entry = element("li", {}, mark, number, element("span", { textContent: WORDS[name] ?? "Stale" }));
      entry.dataset.severity = name;
      this.legend.set(name, { number, entry });
      byId("legend").append(entry);
    }
  }

  // `counts` of all patients.
  count(counts) {
    for (const [name, { number, entry }] of this.legend) {
      write(number, count(counts[name]));
      entry.classList.toggle("zero", !counts[name]);
    }
    document.title = counts.critical ? `${count(counts.critical)} critical · bpstream` : "bpstream";
  }

  report(status, everyone) {
    this.fact("Patients", count(everyone));
    this.fact("Readings", count(status.readings));
    this.fact("Anomalies", count(status.anomalies));
    this.fact("Dead letters", count(status.dead_letters), "Messages that could not be used");
    this.fact("Lag", count(status.lag), "Messages not yet read");
    for (const [name, [key, title]] of Object.entries(SINKS)) {
      this.fact(name, status[key] ?? "ok", title, (status[key] ?? "ok") !== "ok");
    }
    this.fact("Workers", String(status.workers ?? 1));
  }

  fact(name, value, title = "", troubled = false) {
    if (!this.facts.has(name)) {
      const told = element("dd");
      const box = element("div", {}, element("dt", { textContent: name }), told);
      this.facts.set(name, { box, told });
      byId("facts").append(box);
    }
    const { box, told } = this.facts.get(name);
    box.title = troubled ? `${title}: ${value}` : title;
    box.classList.toggle("trouble", troubled);
    write(told, value);
  }

  // `state` is live, connecting or lost; `trouble` is told in the banner.
  connect(state, trouble = "") {
    const words = { live: "Live", connecting: "Connecting", lost: "No connection" };
    write(byId("connection"), words[state]);
    document.body.dataset.connection = state;
    byId("banner").hidden = !trouble;
    write(byId("banner"), trouble);
  }

  // `heardAt`: epoch ms by the worker's clock.  While nothing is heard the clock stands.
  tick(heardAt) {
    write(byId("clock"), time(heardAt));
  }
}
