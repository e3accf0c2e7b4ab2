// A tile: one patient's last reading, and whether an alarm is on.

import { ageText } from "./age.js";
import { STATE_MARKS, STATE_WORDS, foremost, stateOf } from "./alarm.js";
import { element, write } from "./dom.js";
import { hasOwnLimits, limitLines } from "./limits.js";
import { WORDS, known, shape } from "./severity.js";
import { limitLabels, sparkline } from "./sparkline.js";
import { WARNINGS, arrow, count, moment, percent, typeWord, whole } from "./words.js";

// A reading that is so many times as old as a stale one tells nothing: its values are dropped.
const DROPPED_AFTER = 4;

export class Tile {
  // `open(id)` is called where it is clicked.
  constructor(patientId, open) {
    this.severity = "none";
    this.takenAt = NaN;
    this.stale = false;
    this.values = {};
    this.drawn = ""; // What the chart was made of.
    this.make(patientId, open);
  }

  make(patientId, open) {
    this.badge = element("span", { className: "badge" });
    this.systolic = element("span", { className: "number" });
    this.diastolic = element("span", { className: "number" });
    this.systolicArrow = element("span", { className: "arrow" });
    this.diastolicArrow = element("span", { className: "arrow" });
    this.mean = element("span", { className: "number" });
    this.alarmMark = element("span");
    this.alarmState = element("span", { className: "state" });
    this.alarmTitle = element("span");
    const alarm = [this.alarmMark, this.alarmState, this.alarmTitle];
    this.alarm = element("p", { className: "alarm" }, ...alarm);
    this.type = element("span", { className: "type" });
    this.warning = element("span", { className: "warning" });
    this.chart = element("div", { className: "chart" });
    this.age = element("span", { className: "age" });
    this.counts = element("span", { className: "counts" });
    // The button's label is the id alone; tile.css lets it cover the tile.
    this.button = element(
      "button",
      { type: "button", className: "name", title: patientId },
      element("bdi", { textContent: patientId }),
    );
    this.button.addEventListener("click", () => open(patientId));
    this.root = element(
      "li",
      { className: "tile" },
      element("div", { className: "head" }, this.button, this.badge),
      element(
        "div",
        { className: "pressures" },
        pressure("SYS", this.systolic, this.systolicArrow),
        element("span", { className: "slash", textContent: "/", ariaHidden: "true" }),
        pressure("DIA", this.diastolic, this.diastolicArrow),
        element("span", { className: "mean" }, element("small", { textContent: "MAP" }), this.mean),
      ),
      this.alarm,
      element("p", { className: "finding" }, this.type, this.warning),
      this.chart,
      element("div", { className: "foot" }, this.age, this.counts),
    );
  }

  show(patient) {
    const last = patient.last ?? {}; // Null where every reading was taken back.
    const tags = last.anomaly_details ?? [];
    this.severity = known(last.severity ?? "none");
    this.takenAt = Date.parse(last.timestamp);
    if (this.root.dataset.severity !== this.severity) {
      this.root.dataset.severity = this.severity;
      this.badge.replaceChildren(shape(this.severity), WORDS[this.severity]);
    }
    this.values = {
      systolic: whole(last.systolic_pressure),
      diastolic: whole(last.diastolic_pressure),
      mean: whole(last.mean_arterial_pressure),
    };
    write(this.systolicArrow, arrow(tags, "systolic"));
    write(this.diastolicArrow, arrow(tags, "diastolic"));
    const risk = last.ml_risk_score == null ? "" : ` · risk ${percent(last.ml_risk_score)}`;
    write(this.type, `${typeWord(last.anomaly_type)}${risk}`);
    this.warn(last.early_warning ?? {}, last.early_warning_reasons ?? []);
    this.alert(patient.alerts ?? []);
    write(this.counts, `${count(patient.anomalies)} of ${count(patient.readings)}`);
    this.counts.title = "Anomalous readings, of all readings";
    this.draw(patient);
  }

  draw({ recent = [], limits }) {
    const lines = limitLines(limits);
    const drawn = JSON.stringify([recent, lines]);
    if (this.drawn === drawn) return;
    this.drawn = drawn;
    this.chart.replaceChildren(sparkline(recent, lines), limitLabels(lines));
    this.chart.title = hasOwnLimits(limits) ? "Against limits of the patient's own" : "";
    this.root.classList.toggle("own", hasOwnLimits(limits));
  }

  // A warning without a reason is as high as most patients have it: nothing to look at.
  warn(probabilities, reasons) {
    const target = reasons[0]?.target;
    const told = `▸ next: ${WARNINGS[target] ?? target} ${percent(probabilities[target])}`;
    write(this.warning, target ? told : "");
  }

  alert(alerts) {
    const first = foremost(alerts);
    if (!first) {
      delete this.root.dataset.alarm;
      delete this.alarm.dataset.severity;
      this.alarm.title = "";
      for (const part of [this.alarmMark, this.alarmState]) write(part, "");
      write(this.alarmTitle, "No alarm");
      return;
    }
    const state = stateOf(first);
    const more = alerts.length > 1 ? ` +${alerts.length - 1}` : "";
    this.root.dataset.alarm = state;
    this.alarm.dataset.severity = known(first.severity);
    write(this.alarmMark, `${STATE_MARKS[state]} `);
    write(this.alarmState, `${STATE_WORDS[state]}: `);
    write(this.alarmTitle, `${first.title}${more}`);
    this.alarm.title = alerts.map((each) => `${STATE_WORDS[stateOf(each)]}: ${each.title}`).join("\n");
  }

  // `now`: epoch ms by the worker's clock; `staleAfter`: ms.
  grow(now, staleAfter) {
    const age = now - this.takenAt;
    this.stale = !(age < staleAfter);
    const dropped = !(age < DROPPED_AFTER * staleAfter);
    this.root.classList.toggle("stale", this.stale);
    this.root.classList.toggle("dropped", dropped);
    for (const name of ["systolic", "diastolic", "mean"]) {
      write(this[name], dropped ? "–" : (this.values[name] ?? "–"));
    }
    write(this.age, this.stale ? `Stale · ${ageText(age)}` : ageText(age));
    this.age.title = moment(this.takenAt);
  }
}

function pressure(label, number, arrowMark) {
  const name = element("small", {}, label, arrowMark);
  return element("span", { className: "pressure" }, name, number);
}
