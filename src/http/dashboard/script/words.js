/* Numbers and texts for people. */

function count(n) {
  return Math.round(n).toLocaleString("en");
}

/** `1 message`, `2 messages`. */
function many(n, noun) {
  return `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
}

function rate(n) {
  if (n === undefined) return "–";
  return n === 0 ? "0" : n < 10 ? n.toFixed(1) : count(n);
}

function age(ms) {
  if (ms === 0) return "–";
  const s = Math.floor(ms / 1000);
  const units = [
    [86400, "d", 3600, "h"],
    [3600, "h", 60, "min"],
    [60, "min", 1, "s"],
  ];
  for (const [large, a, small, b] of units) {
    if (s >= large) return `${Math.floor(s / large)} ${a} ${Math.floor((s % large) / small)} ${b}`;
  }
  return s === 0 ? "< 1 s" : `${s} s`;
}

function size(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let n = bytes;
  let unit = 0;
  while (n >= 1000 && unit < 4) {
    n /= 1024;
    unit++;
  }
  return `${unit === 0 || n >= 100 ? count(n) : n.toFixed(1)} ${units[unit]}`;
}

function time(seconds) {
  return seconds < 1
    ? `${(seconds * 1000).toFixed(seconds < 0.01 ? 2 : 1)} ms`
    : `${seconds.toFixed(2)} s`;
}

/** A time of today, or with its date. */
function dateOf(milliseconds) {
  const date = new Date(milliseconds);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday
    ? date.toLocaleTimeString([], { hour12: false })
    : date.toLocaleString([], { hour12: false });
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className !== undefined) made.className = className;
  return made;
}

function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}
