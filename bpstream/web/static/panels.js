// The drawer's panels: data in, elements out.

import { STATE_MARKS, STATE_WORDS, stateOf } from "./alarm.js";
import { element, svg } from "./dom.js";
import { WORDS, known, shape } from "./severity.js";
import { TAGS, TYPES, WARNINGS, capital, count, moment, percent, spaced, whole } from "./words.js";

const FROM = { default: "rules", profile: "profile", patient: "patient" };

// The alerts that are on, and what was said of them.
export function alerts(on) {
  if (!on.length) return [nothing("No alarm is on.")];
  const rows = on.map((alert) => {
    const severity = known(alert.severity);
    const state = stateOf(alert);
    const level = element("span", { className: "level" }, shape(severity), WORDS[severity]);
    const row = element(
      "li",
      {},
      element("span", { className: "line" }, level, `${STATE_MARKS[state]} ${STATE_WORDS[state]}`),
      element("strong", { textContent: alert.title }),
      element("span", { className: "quiet", textContent: `since ${moment(Date.parse(alert.since))}` }),
    );
    row.dataset.severity = severity;
    const { acknowledged: said, silenced } = alert;
    if (said) row.append(element("span", { textContent: `${said.by}: ${said.comment || "no comment"}` }));
    if (silenced) row.append(element("span", { textContent: `silenced by ${silenced.by}` }));
    return row;
  });
  return [element("ul", { className: "raised" }, ...rows)];
}

// What the model says of this reading and of the next one, and what of the patient says so.
export function risks({ ml_risk_score: risk, early_warning: warning, early_warning_reasons: reasons = [] }) {
  const likely = [["This reading is anomalous", risk]];
  for (const [target, probability] of Object.entries(warning ?? {})) {
    likely.push([`Next: ${WARNINGS[target] ?? target}`, probability]);
  }
  const made = [
    bars(likely.map(([label, share]) => ({ label, share: share ?? 0, told: percent(share) }))),
  ];
  if (!warning) made.push(nothing("No early warning: the history is too short, or a newer reading is there."));
  if (!reasons.length) return made;
  const most = Math.max(...reasons.map((reason) => reason.contribution));
  const target = WARNINGS[reasons[0].target] ?? reasons[0].target;
  made.push(
    element("h4", { textContent: `What raises the warning of ${target}` }),
    bars(
      reasons.map(({ feature, value, contribution }) => ({
        label: `${capital(spaced(feature))}: ${Math.round(100 * value) / 100}`,
        share: contribution / most,
        told: `+${contribution.toFixed(2)}`,
      })),
    ),
    element("p", { className: "quiet", textContent: "Contributions to the log-odds." }),
  );
  return made;
}

// `recent`: [epoch ms, systolic, diastolic, anomalous] of each reading, oldest first.
export function readings(recent) {
  const rows = recent.toReversed().map(([at, systolic, diastolic, anomalous]) =>
    cells([moment(at), whole(systolic), whole(diastolic), anomalous ? "◆ anomalous" : ""], anomalous),
  );
  return [table(["Taken", "SYS", "DIA", "Finding"], rows)];
}

export function limits({ profile = {}, bounds = {} }) {
  const rows = Object.entries(bounds).map(([name, bound]) => {
    const from = bound.from === "profile" ? `profile ${spaced(profile.name ?? "")}` : (FROM[bound.from] ?? bound.from);
    return cells([limitName(name), String(bound.value), from, author(bound)], bound.from !== "default");
  });
  const said = profile.by ? `, set by ${author(profile)}` : "";
  return [
    element("p", { textContent: `Profile: ${spaced(profile.name ?? "adult")}${said}` }),
    table(["Limit", "mmHg", "From", "Set by"], rows),
  ];
}

export function counters({ readings: all, by_type: types = {}, by_tag: tags = {} }) {
  const some = (names, numbers) =>
    Object.entries(names).map(([name, label]) => ({
      label,
      share: all ? (numbers[name] ?? 0) / all : 0,
      told: count(numbers[name]),
    }));
  return [
    element("p", { textContent: `${count(all)} readings` }),
    element("h4", { textContent: "By type" }),
    bars(some(TYPES, types)),
    element("h4", { textContent: "By tag" }),
    bars(some(TAGS, tags)),
  ];
}

function limitName(name) {
  const severe = name.startsWith("severe_");
  const [measure, side] = name.replace("severe_", "").split("_");
  return `${capital(measure)}, ${side}${severe ? ", severe" : ""}`;
}

function author({ by, reason, at, expires }) {
  if (!by) return "";
  const words = [by];
  if (reason) words.push(reason);
  if (at) words.push(moment(Date.parse(at)));
  if (expires) words.push(`until ${moment(Date.parse(expires))}`);
  return words.join(" · ");
}

// Labelled bars; `share` from 0 to 1 of the full length.
function bars(all) {
  const made = all.map(({ label, share, told }) => {
    const width = `${(100 * Math.min(1, Math.max(0, share))).toFixed(1)}%`;
    return element(
      "div",
      {},
      element("dt", {}, element("bdi", { textContent: label })),
      element("dd", {}, svg("svg", { "aria-hidden": "true" }, svg("rect", { width, height: "100%" })), told),
    );
  });
  return element("dl", { className: "bars" }, ...made);
}

function table(heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col", textContent: text })));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
}

function cells(texts, marked) {
  const made = texts.map((text) => element("td", {}, element("bdi", { textContent: text })));
  return element("tr", { className: marked ? "marked" : "" }, ...made);
}

function nothing(text) {
  return element("p", { className: "quiet", textContent: text });
}
