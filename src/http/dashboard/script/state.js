/* What the page knows. All scripts of the page are one, in the order of page.ts. */

"use strict";

const INTERVAL = 2000; // milliseconds
const ROWS = 100; // listed at once
const MOST_ROWS = 5000; // the server lists none behind these
const $ = (id) => document.getElementById(id);
// Where there is little room the middling columns go, and the wide ones before them.
const columns = [
  { key: "shown", title: "Queue" },
  { key: "messages", title: "Messages", show: count },
  { key: "in", title: "In/s", show: rate },
  { key: "out", title: "Out/s", show: rate },
  { key: "age", title: "Oldest", show: age },
  { key: "waiters", title: "Waiting", show: count, narrow: "middling" },
  { key: "open", title: "Open", show: count, narrow: "wide" },
  { key: "bytes", title: "Size", show: size, narrow: "wide" },
];

const isNarrow = matchMedia("(max-width: 1000px)"); // as in narrow.css

/** What the charts can show: milliseconds, and when that begins. */
const SPANS = {
  minutes: { length: 300_000, start: "5 min ago", short: "5 min" },
  hour: { length: 3_600_000, start: "1 h ago", short: "1 h" },
  day: { length: 86_400_000, start: "1 d ago", short: "1 d" },
};

let last; // the server's last answer
let sort = { key: "messages", descending: true };
let from = 0; // how many queues are before the listed ones
let chosen; // the name of a queue, a character for each byte
let previews = []; // its oldest messages
const picked = new Set(); // the numbers of those that something is done to together
let hasOlder = false; // whether there may be messages behind those
let search; // what was searched for among all of them, while something is
let failure; // why there are none
let paused = false;
let timer;
let asked = 0;
let shownEvents = ""; // those in the table, as JSON
const rows = new Map(); // name: its table row and cells
