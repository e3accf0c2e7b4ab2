// An alarm's state in words: pending, firing or acknowledged; the same on tiles, rail and table.

import { WORDS, known } from "./severity.js";

export function stateOf(alert) {
  if (alert.acknowledged) return "acknowledged";
  return alert.state === "pending" ? "pending" : "firing";
}

export const STATE_MARKS = { firing: "●", pending: "◌", acknowledged: "✓" };

export const STATE_WORDS = { firing: "Firing", pending: "Pending", acknowledged: "Acknowledged" };

const ORDER = ["firing", "acknowledged", "pending"];
const GRAVE = Object.keys(WORDS);

// The one of a patient's alerts that most wants to be seen; undefined where there is none.
export function foremost(alerts) {
  const rank = (alert) => 10 * ORDER.indexOf(stateOf(alert)) + GRAVE.indexOf(known(alert.severity));
  return [...alerts].sort((one, other) => rank(one) - rank(other))[0];
}

export function subject(alert) {
  return `${alert.title}, ${alert.patient_id ?? "no patient"}`;
}
