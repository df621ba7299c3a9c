/* What happened within the last day. It is asked for only while it is shown. */

/** What is told of each kind of event, by how often it happened or how many messages it concerns. */
const EVENTS = {
  start: ({ text }) => `started: ${text}`,
  failure: (event) => repeated(event),
  warning: (event) => repeated(event),
  evicted: ({ times }) =>
    `${many(times, "client")} disconnected: they had stalled while memory was short`,
  changed: ({ text, times }) =>
    `on this page: ${text}${times === 1 ? "" : `, ${count(times)} times`}`,
  dead: ({ times }) => `${many(times, "message")} became dead letters`,
  expired: ({ times }) => `${many(times, "message")} expired`,
  dropped: ({ times }) => `${many(times, "message")} dropped for newer ones`,
  missed: ({ times }) => `no room for ${times === 1 ? "a copy" : `${count(times)} copies`}`,
};

function repeated({ text, times }) {
  return times === 1 ? text : `${text} (${count(times)} times)`;
}

async function refreshEvents() {
  if (!$("events").open) return;
  const response = await fetch("data/events").catch(() => undefined);
  const answer = response?.ok ? await response.json() : await response?.text();
  if (response?.ok) showEvents(answer);
  else write($("eventCount"), answer ?? "the server does not answer");
}

/** How many there are, also while they are not shown. */
function showEventCount({ total, failures }) {
  write($("eventCount"), failures === 0 ? count(total) : `${count(total)}, `);
  write($("failureCount"), failures === 0 ? "" : many(failures, "failure"));
}

function showEvents(events) {
  const key = JSON.stringify(events);
  if (shownEvents === key) return;
  shownEvents = key;
  $("eventRows").replaceChildren(...events.map(eventRow));
}

function eventRow(event) {
  const { kind, queue, shown, firstAt, lastAt } = event;
  const row = element("tr", undefined, kind === "failure" ? "bad" : undefined);
  const isLong = lastAt - firstAt >= 1000;
  const when = isLong ? `${dateOf(firstAt)} – ${dateOf(lastAt)}` : dateOf(lastAt);
  const what = element("td");
  writeVisible(what, EVENTS[kind](event), IN_NAMES);
  row.append(element("td", when), what, queueCell(queue, shown));
  return row;
}

function queueCell(queue, shown) {
  const cell = element("td");
  if (queue === "") return cell;
  const button = element("button");
  button.type = "button";
  writeVisible(button, shown, IN_NAMES);
  button.onclick = () => choose(queue);
  cell.append(button);
  return cell;
}

function prepareEvents() {
  addHeads($("eventHeads"), ["When", "What", "Queue"]);
  $("events").ontoggle = refreshEvents;
}
