// The feed: what is on view, as the server tells it (GET /feed), and whether it is heard.
//
// An EventSource connects again by itself and goes on where it was (Last-Event-ID).  Where it
// gives up, and where a connection stands but says nothing, a new one is made: after one second,
// then two, then four, up to thirty.

// A change comes every second; milliseconds without one after which the feed is lost.
const SILENCE = 5000;
const CONNECT_WITHIN = 10_000;
const WAITS = [1000, 2000, 4000, 8000, 15_000, 30_000];

export class Feed {
  // `told(state, keys)`: a state came, of which `keys` are new.  `lost(why)`: it is not heard.
  constructor({ told, lost }) {
    Object.assign(this, { told, lost });
    this.query = "";
    this.source = null;
    this.state = null;
    this.failures = 0;
    this.timer = 0;
  }

  // Looks at other patients; what came last stays until the first answer.
  look(query) {
    const wanted = String(new URLSearchParams(query));
    if (wanted === this.query && this.source) return;
    this.query = wanted;
    this.open();
  }

  open() {
    this.close();
    const source = new EventSource(`/feed?${this.query}`);
    this.source = source;
    for (const kind of ["whole", "change"]) {
      source.addEventListener(kind, (event) => {
        if (source === this.source) this.hear(kind, JSON.parse(event.data));
      });
    }
    source.addEventListener("error", () => {
      if (source === this.source) this.fail(source);
    });
    this.watch(CONNECT_WITHIN);
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  hear(kind, said) {
    this.failures = 0;
    this.watch(SILENCE);
    if (kind === "whole") {
      this.state = { missing: [], ...said, patients: new Map() };
    } else if (this.state) {
      this.state = { ...this.state, ...said, patients: this.state.patients };
    } else {
      return; // Nothing to change: a `whole` comes first.
    }
    const { patients, order } = this.state;
    for (const patient of said.patients ?? []) patients.set(patient.patient_id, patient);
    if (said.order) {
      const shown = new Set(order);
      for (const id of patients.keys()) if (!shown.has(id)) patients.delete(id);
    }
    this.told(this.state, new Set(Object.keys(said)));
  }

  watch(patience) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.lost(`nothing for ${patience / 1000} s`);
      this.again();
    }, patience);
  }

  fail(source) {
    if (source.readyState === EventSource.CONNECTING) {
      this.lost("the connection broke");
      this.watch(CONNECT_WITHIN);
    } else {
      this.lost("the worker refused");
      this.explain();
      this.again();
    }
  }

  again() {
    this.close();
    const wait = WAITS[Math.min(this.failures, WAITS.length - 1)];
    this.failures += 1;
    this.timer = setTimeout(() => this.open(), wait);
  }

  // An EventSource does not tell why it was refused.
  async explain() {
    const leave = new AbortController();
    try {
      const answer = await fetch(`/feed?${this.query}`, { signal: leave.signal });
      if (answer.status === 401) location.reload(); // The worker then shows its sign-in form.
      else if (!answer.ok) this.lost((await answer.json()).error);
    } catch {
      // It does not answer at all: what was said already holds.
    } finally {
      leave.abort();
    }
  }
}
