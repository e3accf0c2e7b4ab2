// The live page: asks the worker every two seconds and shows what it says.

import { element, write } from "./dom.js";
import { Rail } from "./rail.js";
import { SEVERITIES, WORDS, shape } from "./severity.js";
import { Tile } from "./tile.js";

const EVERY = 2000;
const PATIENCE = 5000;
const TICK = 1000;
const TYPING = 250;

// Patients on one page, and up to which number the tiles are large.
const LIMIT = 200;
const ROOMY_UP_TO = 12;

const byId = (id) => document.getElementById(id);

const tiles = new Map();
const facts = new Map();
const legend = new Map();
const rail = new Rail({
  list: byId("alerts"),
  count: byId("waiting"),
  news: byId("news"),
  rest: byId("rest"),
  changed: () => update(),
});

let search = "";
let offset = 0;
let total = 0;
let round = 0;
let timer = 0;
let connected = false;
let heardAt = NaN; // Epoch ms by the worker's clock.
let ahead = 0; // Milliseconds by which the worker's clock is ahead of this one.

async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
  if (answer.status === 401) location.reload(); // The worker then shows its sign-in form.
  if (!answer.ok) throw new Error(`the worker answered ${answer.status}`);
  const at = Date.parse(answer.headers.get("Date"));
  if (!Number.isNaN(at)) ahead = at - Date.now();
  return answer.json();
}

async function update() {
  clearTimeout(timer);
  const mine = ++round;
  if (document.hidden) return;
  const query = new URLSearchParams({ search, offset, limit: LIMIT });
  try {
    const [list, status, raised] = await Promise.all([
      ask(`/patients/?${query}`),
      ask("/status"),
      ask("/alerts/"),
    ]);
    if (mine !== round) return;
    heardAt = now();
    connected = true;
    showPatients(list);
    showStatus(status);
    rail.show(raised.alerts);
    showConnection(missingWorkers(list, status, raised));
  } catch (error) {
    if (mine !== round) return;
    connected = false;
    showConnection(lost(error));
  }
  tick();
  timer = setTimeout(update, EVERY);
}

function now() {
  return Date.now() + ahead;
}

function showPatients(list) {
  total = list.total;
  if (offset >= total && offset > 0) {
    offset = Math.max(0, Math.floor((total - 1) / LIMIT) * LIMIT);
    setTimeout(update);
    return;
  }
  const seen = new Set();
  list.patients.forEach((patient, position) => {
    const id = patient.patient_id;
    seen.add(id);
    if (!tiles.has(id)) tiles.set(id, new Tile(id));
    const tile = tiles.get(id);
    tile.show(patient);
    // Moved only where it stands elsewhere: a moved button would lose the focus.
    const there = byId("tiles").children[position];
    if (there !== tile.root) byId("tiles").insertBefore(tile.root, there ?? null);
  });
  for (const [id, tile] of tiles) {
    if (seen.has(id)) continue;
    tile.root.remove();
    tiles.delete(id);
  }
  byId("tiles").dataset.density = tiles.size > ROOMY_UP_TO ? "dense" : "roomy";
  byId("empty").hidden = tiles.size > 0;
  write(byId("empty"), search ? `No patient's id holds “${search}”.` : "No reading yet.");
  showPager();
}

function showPager() {
  const last = Math.min(offset + LIMIT, total);
  byId("pager").hidden = total <= LIMIT;
  byId("previous").disabled = offset === 0;
  byId("next").disabled = last >= total;
  write(byId("range"), `${(offset + 1).toLocaleString()}–${last.toLocaleString()} of ${total.toLocaleString()}`);
}

function showStatus(status) {
  fact("Patients", total.toLocaleString());
  fact("Readings", status.readings.toLocaleString());
  fact("Anomalies", status.anomalies.toLocaleString());
  fact("Lag", status.lag.toLocaleString(), "Messages not yet read");
  fact("Dead letters", status.dead_letters.toLocaleString(), "Messages that could not be used");
  fact("Index", status.index, "Where anomalies are stored", status.index !== "ok");
  fact("Archive", status.archive, "Where normal readings are stored", status.archive !== "ok");
  fact("Workers", String(status.workers));
}

function fact(name, value, title = "", troubled = false) {
  if (!facts.has(name)) {
    const told = element("dd");
    const box = element("div", { title }, element("dt", { textContent: name }), told);
    facts.set(name, { box, told });
    byId("facts").append(box);
  }
  const { box, told } = facts.get(name);
  box.classList.toggle("trouble", troubled);
  write(told, value);
}

function showConnection(trouble) {
  write(byId("connection"), connected ? "Live" : "No connection");
  document.body.classList.toggle("lost", !connected);
  byId("banner").hidden = !trouble;
  write(byId("banner"), trouble);
}

function lost(error) {
  const since = Number.isNaN(heardAt) ? "" : ` since ${time(heardAt)}`;
  const why = error.name === "TimeoutError" ? `nothing for ${PATIENCE / 1000} s` : error.message;
  const shown = tiles.size ? " The values below are old." : "";
  return `No connection to the worker${since} (${why}).${shown} Trying again.`;
}

function missingWorkers(...answers) {
  const missing = [...new Set(answers.flatMap((answer) => answer.missing ?? []))];
  if (!missing.length) return "";
  return `Patients are missing: no answer from worker ${missing.join(", ")}.`;
}

function time(at) {
  return new Date(at).toLocaleTimeString([], { hour12: false });
}

// Ages go on by themselves; the clock stops with the connection.
function tick() {
  if (connected) write(byId("clock"), time(now()));
  const counts = Object.fromEntries([...SEVERITIES, "stale"].map((each) => [each, 0]));
  rail.grow(now());
  for (const tile of tiles.values()) {
    tile.grow(now());
    counts[tile.stale ? "stale" : tile.severity] += 1;
  }
  for (const [name, count] of legend) {
    write(count, String(counts[name]));
    count.parentElement.classList.toggle("zero", counts[name] === 0);
  }
  document.title = counts.critical ? `${counts.critical} critical · bpstream` : "bpstream";
}

function makeLegend() {
  for (const name of [...SEVERITIES, "stale"]) {
    const count = element("b");
    const entry = element("li", {}, count, WORDS[name] ?? "Stale");
    entry.dataset.severity = name;
    if (name in WORDS) entry.prepend(shape(name));
    legend.set(name, count);
    byId("legend").append(entry);
  }
}

function turnTo(there) {
  offset = Math.max(0, there);
  scrollTo(0, 0);
  update();
}

let typing = 0;
byId("search").addEventListener("input", (event) => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    search = event.target.value.trim();
    turnTo(0);
  }, TYPING);
});
byId("previous").addEventListener("click", () => turnTo(offset - LIMIT));
byId("next").addEventListener("click", () => turnTo(offset + LIMIT));
document.addEventListener("visibilitychange", update);

makeLegend();
setInterval(tick, TICK);
update();
