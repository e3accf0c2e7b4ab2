// Severities: each has a colour (colors.css), a shape and a word, so that none is needed alone.

import { svg } from "./dom.js";

export const SEVERITIES = ["critical", "high", "medium", "low", "none"];

export const WORDS = {
  critical: "Critical",
  high: "High",
  medium: "Medium",
  low: "Low",
  none: "Normal",
};

const SHAPES = {
  critical: "M5 1h6l4 4v6l-4 4H5l-4-4V5zM7 4v5h2V4zM7 10.5v2h2v-2z",
  high: "M8 1.5 15 14H1z",
  medium: "M8 1l7 7-7 7-7-7z",
  low: "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3z",
  none: "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3zm0 1.6a3.4 3.4 0 1 1 0 6.8 3.4 3.4 0 0 1 0-6.8z",
};

// A severity this page has not heard of looks like the gravest: it must not be overlooked.
export function known(severity) {
  return severity in SHAPES ? severity : "critical";
}

export function shape(severity) {
  const outline = svg("path", { d: SHAPES[severity], "fill-rule": "evenodd" });
  return svg("svg", { viewBox: "0 0 16 16", class: "shape", "aria-hidden": "true" }, outline);
}
