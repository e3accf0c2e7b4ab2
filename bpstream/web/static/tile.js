// A tile: one patient's last reading.

import { ageText } from "./age.js";
import { element, write } from "./dom.js";
import { WORDS, known, shape } from "./severity.js";
import { sparkline } from "./sparkline.js";

// Milliseconds after which a reading no longer tells how the patient is.
const STALE_AFTER = 15 * 60_000;

const TAGS = {
  hypertension_systolic: "Systolic above 140",
  hypotension_systolic: "Systolic below 90",
  hypertension_diastolic: "Diastolic above 90",
  hypotension_diastolic: "Diastolic below 60",
};

const TYPES = { hypertension: "Hypertension", hypotension: "Hypotension", normal: "Normal" };
const WARNINGS = { hypotension: "hypotension", low_map: "low mean", severe: "severe pressure" };
const ARROWS = { hypertension: "▲", hypotension: "▼" };

export class Tile {
  constructor(patientId) {
    this.severity = "none";
    this.takenAt = NaN;
    this.stale = false;
    // What the chart and the details were made of: they are made anew where it changes.
    this.drawn = "";
    this.detailed = "";
    this.make(patientId);
  }

  make(patientId) {
    this.badge = element("span", { className: "badge" });
    this.systolic = element("span", { className: "number" });
    this.diastolic = element("span", { className: "number" });
    this.systolicArrow = element("span", { className: "arrow" });
    this.diastolicArrow = element("span", { className: "arrow" });
    this.mean = element("span", { className: "number" });
    this.type = element("span");
    this.risk = element("span", { className: "risk" });
    this.warning = element("p", { className: "warning" });
    this.chart = element("div", { className: "chart" });
    this.age = element("span", { className: "age" });
    this.counts = element("span", { className: "counts" });
    this.details = element("dl", { className: "details", hidden: true });
    // The button's label is the id alone; tile.css lets it cover the tile.
    this.button = element(
      "button",
      { type: "button", className: "name", title: patientId, ariaExpanded: "false" },
      element("bdi", { textContent: patientId }),
    );
    this.button.addEventListener("click", () => this.toggle());
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
      element("p", { className: "finding" }, this.type, this.risk),
      this.warning,
      this.chart,
      element("div", { className: "foot" }, this.age, this.counts),
      this.details,
    );
  }

  toggle() {
    this.details.hidden = !this.details.hidden;
    this.button.ariaExpanded = String(!this.details.hidden);
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
    write(this.systolic, whole(last.systolic_pressure));
    write(this.diastolic, whole(last.diastolic_pressure));
    write(this.mean, whole(last.mean_arterial_pressure));
    write(this.systolicArrow, arrow(tags, "systolic"));
    write(this.diastolicArrow, arrow(tags, "diastolic"));
    write(this.type, typeWord(last.anomaly_type));
    write(this.risk, last.ml_risk_score == null ? "" : ` · risk ${percent(last.ml_risk_score)}`);
    this.warn(last.early_warning ?? {}, last.early_warning_reasons ?? []);
    write(this.counts, `${patient.anomalies.toLocaleString()} of ${patient.readings.toLocaleString()}`);
    this.counts.title = "Anomalous readings, of all readings";

    const recent = JSON.stringify(patient.recent);
    if (this.drawn !== recent) {
      this.drawn = recent;
      this.chart.replaceChildren(sparkline(patient.recent ?? []), limits());
    }
    const rows = detailRows(patient);
    const written = JSON.stringify(rows);
    if (this.detailed !== written) {
      this.detailed = written;
      this.details.replaceChildren(...rows.map(([name, value]) => row(name, value)));
    }
  }

  // A warning without a reason is as high as most patients have it: nothing to look at.
  warn(probabilities, reasons) {
    const target = reasons[0]?.target;
    const told = `▸ next: ${WARNINGS[target] ?? target} ${percent(probabilities[target])}`;
    write(this.warning, target ? told : "");
    this.warning.title = reasons.map(reasonText).join("\n");
  }

  // `now`: epoch ms by the worker's clock.
  grow(now) {
    const age = now - this.takenAt;
    this.stale = !(age < STALE_AFTER);
    this.root.classList.toggle("stale", this.stale);
    write(this.age, this.stale ? `stale · ${ageText(age)}` : ageText(age));
    this.age.title = Number.isNaN(this.takenAt) ? "" : new Date(this.takenAt).toLocaleString();
  }
}

function pressure(label, number, arrowMark) {
  const name = element("small", {}, label, arrowMark);
  return element("span", { className: "pressure" }, name, number);
}

function limits() {
  const labels = [140, 90, 60].map((each) => element("span", { className: `at${each}`, textContent: each }));
  return element("div", { className: "limits", ariaHidden: "true" }, ...labels);
}

function whole(pressureOrNull) {
  return pressureOrNull == null ? "–" : String(Math.round(pressureOrNull));
}

function arrow(tags, which) {
  const tag = tags.find((each) => each.endsWith(`_${which}`));
  return tag ? ARROWS[tag.split("_")[0]] : "";
}

function typeWord(type) {
  return type == null ? "Not judged" : (TYPES[type] ?? type);
}

function percent(probability) {
  return probability == null ? "–" : `${Math.round(100 * probability)} %`;
}

function detailRows(patient) {
  const { by_type: types = {}, by_tag: tags = {} } = patient;
  const last = patient.last ?? {};
  const rows = [["Patient", patient.patient_id]];
  for (const [tag, words] of Object.entries(TAGS)) rows.push([words, count(tags[tag])]);
  for (const [type, words] of Object.entries(TYPES)) rows.push([words, count(types[type])]);
  rows.push(["Mean pressure", whole(last.mean_arterial_pressure)]);
  rows.push(["Risk", percent(last.ml_risk_score)]);
  for (const [target, probability] of Object.entries(last.early_warning ?? {})) {
    rows.push([`Next: ${WARNINGS[target] ?? target}`, percent(probability)]);
  }
  if (last.early_warning_reasons?.length) {
    rows.push(["Why", last.early_warning_reasons.map(reasonText).join("; ")]);
  }
  rows.push(["Category", (last.category ?? "–").replace("_", " ")]);
  const limits = limitsText(patient.limits);
  if (limits) rows.push(["Limits", limits]);
  if (last.flags?.length) rows.push(["Flags", last.flags.join(", ").replaceAll("_", " ")]);
  if (last.kafka) {
    rows.push(["Kafka", `${last.kafka.topic} [${last.kafka.partition}] @ ${last.kafka.offset}`]);
  }
  return rows;
}

// What holds for this patient and not for all; empty where nothing does.
function limitsText({ profile, bounds = {} } = {}) {
  const own = Object.entries(bounds).filter(([, bound]) => bound.from !== "default");
  const words = own.map(([name, { value, by }]) => `${name} ${value}${by ? ` (${by})` : ""}`);
  if (profile && profile.name !== "adult") words.unshift(profile.name);
  return words.join(", ").replaceAll("_", " ");
}

// What a feature of the patient's history adds to the log-odds of the warning.
function reasonText({ feature, value, contribution }) {
  const rounded = Math.round(100 * value) / 100;
  return `${feature.replaceAll("_", " ")} ${rounded} (+${contribution.toFixed(2)})`;
}

function count(number) {
  return (number ?? 0).toLocaleString();
}

function row(name, value) {
  const wide = ["Patient", "Limits", "Flags", "Kafka", "Why"].includes(name);
  const properties = wide ? { className: "wide" } : {};
  const told = element("dd", {}, element("bdi", { textContent: value }));
  return element("div", properties, element("dt", { textContent: name }), told);
}
