// The live page: what the feed tells, laid out by how many patients there are.

import { Drawer } from "./drawer.js";
import { arrange, byId, write } from "./dom.js";
import { Feed } from "./feed.js";
import { Header } from "./header.js";
import { Heat } from "./heat.js";
import { listen } from "./keys.js";
import { Rail } from "./rail.js";
import { Table } from "./table.js";
import { Tile } from "./tile.js";
import { count, time } from "./words.js";

const TICK = 1000;
const TYPING = 250;

// Up to how many patients each layout goes, and which of them are tiles.
const LAYOUTS = [
  { name: "roomy", upTo: 12, sort: "id", limit: 100 },
  { name: "dense", upTo: 100, sort: "id", limit: 100 },
  { name: "ward", upTo: 2000, sort: "attention", limit: 30 },
  { name: "crowd", upTo: Infinity, sort: "attention", limit: 30 },
];

const tiles = new Map();
const open = (id) => drawer.open(id);
const header = new Header();
const drawer = new Drawer();
const table = new Table({ open });
const heat = new Heat({ root: byId("heat"), readout: byId("heat-readout"), open });
const rail = new Rail({
  list: byId("alerts"),
  waiting: byId("waiting"),
  news: byId("news"),
  rest: byId("rest"),
  open,
});
const feed = new Feed({ told, lost });

let layout = LAYOUTS[0];
let search = "";
let heardAt = NaN; // Epoch ms by the worker's clock.
let ahead = 0; // Milliseconds by which the worker's clock is ahead of this one.
let staleAfter = Infinity; // Milliseconds; the worker says it.

const now = () => Date.now() + ahead;

function look() {
  const { sort, limit } = layout;
  const tiled = sort === "id" ? search : "";
  feed.look({ search: tiled, sort, offset: 0, limit });
}

function told(state, keys) {
  heardAt = Date.parse(state.at);
  ahead = heardAt - Date.now();
  staleAfter = 1000 * state.stale_after;
  const everyone = Object.values(state.counts).reduce((sum, each) => sum + each, 0);
  const others = lay(everyone); // Others are to be looked at: these tiles are not worth drawing.
  if (!others && (keys.has("order") || keys.has("patients"))) showTiles(state);
  if (keys.has("alerts")) {
    rail.show(state.alerts);
    write(byId("to-alarms"), `${count(state.alerts.unacknowledged)} alarms to acknowledge ↓`);
  }
  if (keys.has("counts")) header.count(state.counts);
  if (keys.has("status") || keys.has("counts")) header.report(state.status, everyone);
  if (layout.name === "ward" && state.heat) heat.show(state.heat);
  header.connect("live", missing(state.missing ?? []));
  header.tick(heardAt);
  tick();
}

function missing(workers) {
  if (!workers.length) return "";
  return `Patients are missing: no answer from worker ${workers.join(", ")}.`;
}

function lost(why) {
  const since = Number.isNaN(heardAt) ? "" : ` since ${time(heardAt)}`;
  const old = tiles.size ? " The values below are old." : "";
  header.connect("lost", `No connection to the worker${since} (${why}).${old} Trying again.`);
}

// Chooses the layout.  Returns whether its tiles are others than the feed tells of now.
function lay(everyone) {
  const wanted = LAYOUTS.find((each) => everyone <= each.upTo);
  const others = wanted.sort !== layout.sort;
  layout = wanted;
  if (others) look();
  if (document.body.dataset.layout === wanted.name) return others;
  document.body.dataset.layout = wanted.name;
  const tabled = wanted.sort === "attention";
  const finding = document.activeElement === byId("search");
  byId(tabled ? "table-tools" : "tools").prepend(byId("finder"));
  if (finding) byId("search").focus();
  byId("strip").hidden = wanted.name !== "ward";
  byId("all").hidden = !tabled;
  write(byId("tiles-title"), tabled ? "Needing attention most" : "Patients");
  byId("tiles-title").classList.toggle("unseen", !tabled);
  table.search = search;
  table.on = tabled;
  return others;
}

function showTiles({ order, patients, total }) {
  const shown = order.filter((id) => patients.has(id));
  const seen = new Set(shown);
  for (const id of tiles.keys()) if (!seen.has(id)) tiles.delete(id);
  for (const id of shown) {
    if (!tiles.has(id)) tiles.set(id, new Tile(id, open));
    tiles.get(id).show(patients.get(id));
  }
  arrange(byId("tiles"), shown.map((id) => tiles.get(id).root));
  byId("empty").hidden = total > 0;
  write(byId("empty"), search ? `No patient's id holds “${search}”.` : "No reading yet.");
}

// Ages go on by themselves; the clock tells when the worker last spoke.
function tick() {
  rail.grow(now());
  for (const tile of tiles.values()) tile.grow(now(), staleAfter);
  table.grow(now(), staleAfter);
  drawer.grow(now(), staleAfter);
}

let typing = 0;
byId("search").addEventListener("input", (event) => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    search = event.target.value.trim();
    if (layout.sort === "attention") table.find(search);
    else look();
  }, TYPING);
});

// On a phone the alarms are below the tiles.
byId("to-alarms").addEventListener("click", () => byId("alerts").scrollIntoView());

// A page that nobody sees keeps no connection: a browser has six for one host.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
      feed.close();
  } else {
    header.connect("connecting");
    feed.open();
    table.update();
  }
});

listen();
look();
drawer.follow();
setInterval(tick, TICK);
