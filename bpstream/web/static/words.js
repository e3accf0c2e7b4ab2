// What things are called on the page, and how numbers are written.

export const TAGS = {
  hypertension_systolic: "Systolic above 140",
  hypotension_systolic: "Systolic below 90",
  hypertension_diastolic: "Diastolic above 90",
  hypotension_diastolic: "Diastolic below 60",
};

export const TYPES = { hypertension: "Hypertension", hypotension: "Hypotension", normal: "Normal" };

export const WARNINGS = {
  hypotension: "hypotension",
  low_map: "low mean",
  severe: "severe pressure",
};

const ARROWS = { hypertension: "▲", hypotension: "▼" };

// Of the last reading's tags, the arrow of one pressure: "systolic" or "diastolic".
export function arrow(tags, which) {
  const tag = tags.find((each) => each.endsWith(`_${which}`));
  return tag ? ARROWS[tag.split("_")[0]] : "";
}

export function typeWord(type) {
  return type == null ? "Not judged" : (TYPES[type] ?? type);
}

export function whole(pressureOrNull) {
  return pressureOrNull == null ? "–" : String(Math.round(pressureOrNull));
}

export function percent(probability) {
  return probability == null ? "–" : `${Math.round(100 * probability)} %`;
}

export function count(number) {
  return (number ?? 0).toLocaleString();
}

export function spaced(name) {
  return name.replaceAll("_", " ");
}

export function capital(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

// `at`: epoch ms.
export function time(at) {
  return new Date(at).toLocaleTimeString([], { hour12: false });
}

export function moment(at) {
  const options = { dateStyle: "medium", timeStyle: "medium", hour12: false };
  return Number.isNaN(at) ? "–" : new Date(at).toLocaleString([], options);
}
