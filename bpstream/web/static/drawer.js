// The drawer: all that is known of one patient.  It is a dialog, so that the keyboard stays in it,
// and its patient stands in the address, so that it can be linked.

import { ageText } from "./age.js";
import { patientOf } from "./api.js";
import { byId, write } from "./dom.js";
import { Observations } from "./observations.js";
import { alerts, counters, limits, readings, risks } from "./panels.js";
import { WORDS, known, shape } from "./severity.js";
import { Trend } from "./trend.js";
import { moment, typeWord, whole } from "./words.js";

const EVERY = 2000;
const HASH = "#patient=";

export class Drawer {
  constructor() {
    this.dialog = byId("drawer");
    this.id = null;
    this.round = 0;
    this.timer = 0;
    this.takenAt = NaN;
    this.trend = new Trend(byId("trend"), byId("trend-readout"));
    this.observations = new Observations();
    this.made = new Map(); // What each panel was made of.
    this.dialog.addEventListener("close", () => this.leave());
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close(); // The backdrop.
    });
    byId("drawer-close").addEventListener("click", () => this.dialog.close());
    addEventListener("hashchange", () => this.follow());
    addEventListener("theme", () => this.trend.redraw());
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => this.trend.redraw());
    document.addEventListener("visibilitychange", () => this.id !== null && this.update());
  }

  open(id) {
    location.hash = HASH + encodeURIComponent(id);
  }

  // Shows whom the address names.
  follow() {
    const id = named(location.hash);
    if (id === this.id) return;
    this.id = id;
    if (id === null) {
      this.dialog.close();
      return;
    }
    this.clear();
    write(byId("drawer-name"), id);
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTop = 0;
    this.update();
  }

  leave() {
    clearTimeout(this.timer);
    this.round += 1;
    this.id = null;
    if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  }

  clear() {
    this.made.clear();
    this.takenAt = NaN;
    byId("drawer-body").hidden = true;
    write(byId("drawer-problem"), "");
    this.trend.clear();
    this.observations.clear(this.id);
  }

  async update() {
    clearTimeout(this.timer);
    const mine = ++this.round;
    if (document.hidden) return; // Asked again when it is seen again.
    try {
      const patient = await patientOf(this.id);
      if (mine !== this.round) return;
      this.show(patient);
      write(byId("drawer-problem"), "");
    } catch (error) {
      if (mine !== this.round) return;
      const old = byId("drawer-body").hidden ? "" : "What is shown is old: ";
      write(byId("drawer-problem"), `${old}${error.message}`);
    }
    this.timer = setTimeout(() => this.update(), EVERY);
  }

  show(patient) {
    const last = patient.last ?? {};
    const severity = known(last.severity ?? "none");
    this.takenAt = Date.parse(last.timestamp);
    byId("drawer-body").hidden = false;
    if (this.dialog.dataset.severity !== severity || !byId("drawer-badge").hasChildNodes()) {
      this.dialog.dataset.severity = severity;
      byId("drawer-badge").replaceChildren(shape(severity), WORDS[severity]);
    }
    write(byId("drawer-systolic"), whole(last.systolic_pressure));
    write(byId("drawer-diastolic"), whole(last.diastolic_pressure));
    write(byId("drawer-mean"), whole(last.mean_arterial_pressure));
    write(byId("drawer-finding"), finding(last));
    this.trend.show(patient.recent ?? [], patient.limits);
    this.panel("drawer-alerts", alerts, patient.alerts ?? []);
    this.panel("drawer-risks", risks, last);
    this.panel("drawer-readings", readings, patient.recent ?? []);
    this.panel("drawer-limits", limits, patient.limits ?? {});
    this.panel("drawer-counters", counters, patient);
    this.observations.follow(last.timestamp);
  }

  panel(name, make, data) {
    const made = JSON.stringify(data);
    if (this.made.get(name) === made) return;
    this.made.set(name, made);
    byId(name).replaceChildren(...make(data));
  }

  // `now`: epoch ms by the worker's clock; `staleAfter`: ms.
  grow(now, staleAfter) {
    if (!this.dialog.open) return;
    const age = now - this.takenAt;
    const stale = !(age < staleAfter);
    this.dialog.classList.toggle("stale", stale);
    const words = stale ? `Stale · ${ageText(age)}` : ageText(age);
    write(byId("drawer-age"), Number.isNaN(age) ? "" : `${words} · ${moment(this.takenAt)}`);
  }
}

function named(hash) {
  if (!hash.startsWith(HASH)) return null;
  try {
    return decodeURIComponent(hash.slice(HASH.length)) || null;
  } catch {
    return null; // Somebody cut the address short.
  }
}

function finding(last) {
  const words = [typeWord(last.anomaly_type)];
  if (last.category) words.push(`category ${last.category.replaceAll("_", " ")}`);
  if (last.flags?.length) words.push(`flags ${last.flags.join(", ").replaceAll("_", " ")}`);
  if (last.kafka) words.push(`partition ${last.kafka.partition}, offset ${last.kafka.offset}`);
  return words.join(" · ");
}
