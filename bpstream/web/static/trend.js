// The trend: the recent readings of one patient as a chart, with the patient's limits as lines and
// anomalous readings marked.

import { write } from "./dom.js";
import { limitLines } from "./limits.js";
import uPlot from "./vendor/uPlot.esm.js";
import { moment, time, whole } from "./words.js";

const HEIGHT = 240;
const FONT = "12px Inter, system-ui, sans-serif";
const ROOM = 15; // mmHg above and below what is drawn.
const LABELS = 56; // Pixels at the right for the limits' values.

export class Trend {
  constructor(root, readout) {
    Object.assign(this, { root, readout });
    this.clear();
    new ResizeObserver(() => this.fit()).observe(root);
  }

  clear() {
    this.plot?.destroy();
    this.plot = null;
    this.made = "";
    this.recent = [];
    this.lines = [];
  }

  // `recent`: [epoch ms, systolic, diastolic, anomalous] of each reading, oldest first.
  show(recent, limits) {
    const lines = limitLines(limits);
    const made = JSON.stringify([recent, lines]);
    if (made === this.made) return;
    this.clear();
    Object.assign(this, { made, recent, lines });
    this.root.ariaLabel = described(recent, lines);
    this.redraw();
  }

  redraw() {
    this.plot?.destroy();
    this.plot = null;
    write(this.readout, "");
    if (!this.recent.length) return;
    const columns = [0, 1, 2].map((at) => this.recent.map((reading) => reading[at]));
    columns[0] = columns[0].map((at) => at / 1000);
    this.plot = new uPlot(this.options(colors()), columns, this.root);
  }

  fit() {
    if (this.plot && this.root.clientWidth) {
      this.plot.setSize({ width: this.root.clientWidth, height: HEIGHT });
    }
  }

  options(ink) {
    const pressure = { stroke: ink.text, width: 2, points: { show: true, size: 5, fill: ink.text } };
    const grid = { stroke: ink.line, width: 1 };
    const axis = { stroke: ink.quiet, font: FONT, grid, ticks: { show: false } };
    return {
      width: this.root.clientWidth || 400,
      height: HEIGHT,
      padding: [10, LABELS, 0, 0],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false },
      scales: { y: { range: () => this.range() } },
      series: [{}, { label: "SYS", ...pressure }, { label: "DIA", ...pressure }],
      bands: [{ series: [1, 2], fill: ink.band }],
      axes: [
        { ...axis, space: 80, size: 28, values: (_, at) => at.map((each) => time(1000 * each)) },
        { ...axis, size: 40 },
      ],
      hooks: {
        drawSeries: [(plot, series) => series === 2 && this.mark(plot, ink)],
        drawAxes: [(plot) => this.limit(plot, ink)],
        setCursor: [(plot) => this.read(plot.cursor.idx)],
      },
    };
  }

  range() {
    const shown = this.recent.flatMap((reading) => [reading[1], reading[2]]);
    const all = [...shown.filter((each) => each != null), ...this.lines.map((line) => line.value)];
    return [Math.min(...all) - ROOM, Math.max(...all) + ROOM];
  }

  limit(plot, ink) {
    const { ctx, bbox } = plot;
    const right = bbox.left + bbox.width;
    ctx.save();
    ctx.lineWidth = devicePixelRatio;
    ctx.font = `${11 * devicePixelRatio}px Inter, system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    for (const { value, own } of this.lines) {
      const y = plot.valToPos(value, "y", true);
      ctx.strokeStyle = ctx.fillStyle = own ? ink.own : ink.quiet;
      ctx.setLineDash([4, 4].map((each) => each * devicePixelRatio));
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(right, y);
      ctx.stroke();
      ctx.fillText(own ? `${value} own` : String(value), right + 6 * devicePixelRatio, y);
    }
    ctx.restore();
  }

  // A diamond on each pressure of an anomalous reading: told by its shape as well.
  mark(plot, ink) {
    const { ctx } = plot;
    const half = 6 * devicePixelRatio;
    ctx.save();
    ctx.fillStyle = ink.mark;
    for (const [at, systolic, diastolic, anomalous] of this.recent) {
      if (!anomalous) continue;
      const x = plot.valToPos(at / 1000, "x", true);
      for (const pressure of [systolic, diastolic]) {
        if (pressure == null) continue;
        const y = plot.valToPos(pressure, "y", true);
        ctx.beginPath();
        ctx.moveTo(x, y - half);
        ctx.lineTo(x + half, y);
        ctx.lineTo(x, y + half);
        ctx.lineTo(x - half, y);
        ctx.fill();
      }
    }
    ctx.restore();
  }

  read(position) {
    const reading = this.recent[position];
    if (!reading) return;
    const [at, systolic, diastolic, anomalous] = reading;
    const words = [moment(at), `${whole(systolic)} / ${whole(diastolic)}`];
    if (anomalous) words.push("anomalous");
    write(this.readout, words.join(" · "));
  }
}

// As they are in the theme that is on: colors.css registers them, so that they come resolved.
function colors() {
  const found = getComputedStyle(document.documentElement);
  const names = { text: "text", quiet: "quiet", line: "line", mark: "high-ink", own: "low-ink", band: "band" };
  return Object.fromEntries(
    Object.entries(names).map(([key, name]) => [key, found.getPropertyValue(`--${name}`)]),
  );
}

function described(recent, lines) {
  const anomalous = recent.filter((reading) => reading[3]).length;
  const bounds = lines.map((line) => line.value).join(", ");
  return `The last ${recent.length} readings, ${anomalous} of them anomalous; limits at ${bounds} mmHg`;
}
