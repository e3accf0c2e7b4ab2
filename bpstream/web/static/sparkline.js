// A sparkline: the recent readings of one patient, systolic over diastolic, over time, against
// the patient's own limits.

import { svg } from "./dom.js";

// mmHg at the bottom and the top: the same on every tile, so that tiles can be compared.
const BOTTOM = 30;
const TOP = 210;

const WIDTH = 300;
const HEIGHT = 100;
const MARGIN = 6;

// Labels that are nearer than this many mmHg would lie on each other.
const APART = 18;

function height(pressure) {
  const inside = Math.min(TOP, Math.max(BOTTOM, pressure));
  return (HEIGHT * (TOP - inside)) / (TOP - BOTTOM);
}

// `recent`: [epoch ms, systolic, diastolic, anomalous] of each reading, oldest first.
// `lines`: of limits.js.
export function sparkline(recent, lines) {
  const [first, last] = [recent.at(0)?.[0] ?? 0, recent.at(-1)?.[0] ?? 0];
  const across = (at) =>
    last > first ? MARGIN + ((WIDTH - 2 * MARGIN) * (at - first)) / (last - first) : WIDTH / 2;
  const points = (column) =>
    recent
      .filter((reading) => reading[column] != null)
      .map((reading) => `${across(reading[0]).toFixed(1)},${height(reading[column]).toFixed(1)}`);
  const [systolic, diastolic] = [points(1), points(2)];

  const drawn = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: "none",
    class: "sparkline",
    "aria-hidden": "true",
  });
  for (const { value, own } of lines) {
    const y = height(value);
    drawn.append(svg("line", { class: own ? "limit own" : "limit", x1: 0, x2: WIDTH, y1: y, y2: y }));
  }
  const band = [...systolic, ...diastolic.toReversed()].join(" ");
  drawn.append(
    svg("polygon", { class: "band", points: band }),
    svg("polyline", { class: "pressure", points: systolic.join(" ") }),
    svg("polyline", { class: "pressure", points: diastolic.join(" ") }),
  );
  recent.forEach((reading, position) => {
    drawn.append(...marks(reading, across(reading[0]), position === recent.length - 1));
  });
  return drawn;
}

// The limits' values, beside the sparkline: a drawing of its own, for the other one is stretched.
export function limitLabels(lines) {
  const drawn = svg("svg", { class: "limits", "aria-hidden": "true" });
  let above = Infinity;
  for (const { value, own } of lines) {
    if (above - value < APART) continue;
    above = value;
    const at = { x: "100%", y: `${height(value).toFixed(1)}%`, class: own ? "own" : "" };
    drawn.append(svg("text", at, String(value)));
  }
  return drawn;
}

// An anomalous reading is a bar between two dots; the last reading has its dots in any case.
function marks([, systolic, diastolic, anomalous], x, isLast) {
  if (!anomalous && !isLast) return [];
  const kind = anomalous ? "anomalous" : "last";
  const heights = [systolic, diastolic].filter((each) => each != null).map(height);
  const made = heights.map((y) =>
    // A line of no length with round ends stays round however the drawing is stretched.
    svg("line", { class: `dot ${kind}`, x1: x, x2: x, y1: y, y2: y }),
  );
  if (anomalous && heights.length === 2) {
    made.push(svg("line", { class: "bar", x1: x, x2: x, y1: heights[0], y2: heights[1] }));
  }
  return made;
}
