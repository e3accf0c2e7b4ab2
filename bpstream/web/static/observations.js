// The raw Observations of the drawer's patient, as FHIR: asked for when somebody looks.

import { ask, patientPath } from "./api.js";
import { byId, element, write } from "./dom.js";
import { moment } from "./words.js";

export class Observations {
  constructor() {
    this.id = null;
    this.newest = ""; // Time of the reading that was the newest when they were asked for.
    this.loaded = "";
    this.all = [];
    byId("raw").addEventListener("toggle", () => this.load());
    byId("raw-which").addEventListener("change", () => this.write());
  }

  clear(id) {
    Object.assign(this, { id, newest: "", loaded: "", all: [] });
    byId("raw").open = false;
    byId("raw-which").replaceChildren();
    write(byId("raw-json"), "");
  }

  // A newer reading is there.
  follow(newest) {
    this.newest = newest ?? "";
    this.load();
  }

  async load() {
    if (!byId("raw").open || this.loaded === this.newest) return;
    const { id, newest } = this;
    const path = patientPath(id);
    if (!path) {
      write(byId("raw-json"), "A browser cannot name this id in an address.");
      return;
    }
    this.loaded = newest;
    try {
      const bundle = await ask(`${path}history?format=fhir`);
      if (id === this.id) this.offer((bundle.entry ?? []).map((entry) => entry.resource));
    } catch (error) {
      if (id !== this.id) return;
      this.loaded = ""; // Asked again with the drawer's next answer.
      write(byId("raw-json"), error.message);
    }
  }

  // What is looked at stays, as long as it is among them.
  offer(all) {
    const chosen = this.all[byId("raw-which").selectedIndex]?.id;
    const followed = byId("raw-which").selectedIndex <= 0;
    this.all = all;
    const options = all.map(({ effectiveDateTime: at, id }) =>
      element("option", { textContent: at ? moment(Date.parse(at)) : (id ?? "no time") }),
    );
    byId("raw-which").replaceChildren(...options);
    const there = followed ? 0 : all.findIndex((each) => each.id === chosen);
    if (all.length) byId("raw-which").selectedIndex = Math.max(0, there);
    this.write();
  }

  write() {
    const resource = this.all[byId("raw-which").selectedIndex];
    write(byId("raw-json"), resource ? JSON.stringify(resource, null, 2) : "None is kept.");
  }
}
