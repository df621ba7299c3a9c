/* The clients that are connected. They are asked for only while they are shown. */

const CLIENT_COLUMNS = ["Connection", "Since", "Does", "Requests held", "Replies unsent"];
const TRAFFIC_COLUMNS = ["Client", "Connections", "In/s", "Out/s", "Set", "Got", "Rates"];

async function refreshClients() {
  if (!$("clients").open) return;
  const query = new URLSearchParams({ span: $("span").value });
  const response = await fetch(`data/clients?${query}`).catch(() => undefined);
  const answer = response?.ok ? await response.json() : await response?.text();
  if (response?.ok) showClients(answer);
  else write($("clientCount"), answer ?? "the server does not answer");
}

function showClients({ traffic, total, clients }) {
  showTraffic(traffic);
  const isAll = total === clients.length;
  write(
    $("clientCount"),
    isAll ? count(total) : `the first ${count(clients.length)} of ${count(total)}`,
  );
  const rows = clients.map((client) => {
    const row = element("tr");
    row.append(
      element("td", nameOfClient(client)),
      element("td", age(Math.max(1, client.age))),
      doingOf(client),
      element("td", size(client.unread)),
      element("td", size(client.unsent)),
    );
    return row;
  });
  $("clientRows").replaceChildren(...rows);
}

function nameOfClient({ client, account, isTls }) {
  const parts = [client, ...(account === "" ? [] : [account]), ...(isTls ? ["TLS"] : [])];
  return parts.join(" · ");
}

/** What it waits for and has open, or else what else it does. */
function doingOf({ activity, waitsFor, open }) {
  const cell = element("td");
  const add = (title, names) => {
    if (names.length === 0) return;
    const text = element("span");
    writeVisible(text, names.join(", "), IN_NAMES);
    cell.append(cell.hasChildNodes() ? "; " : "", `${title} `, text);
  };
  add("waits for", waitsFor);
  add("has open", open);
  if (!cell.hasChildNodes()) cell.append(activity === "blocked" ? "does not read" : activity);
  return cell;
}

/** What the clients of each address or account have set and got within the span of the charts. */
function showTraffic(traffic) {
  const [, , , , set, got] = $("trafficHeads").children;
  const { short } = SPANS[$("span").value];
  write(set, `Set, ${short}`);
  write(got, `Got, ${short}`);
  $("trafficRows").replaceChildren(...traffic.map(trafficRow));
}

function trafficRow({ client, connections, sets, gets, points }) {
  const row = element("tr");
  const lines = [1, 2].map((i) => ratesOf(points, i));
  const [inNow, outNow] = lines.map((line) => line.at(-1)?.[1] ?? 0);
  const course = element("td");
  course.append(smallChart(lines, points.at(-1)?.[0] ?? 0));
  row.append(
    element("td", client),
    element("td", count(connections)),
    element("td", rate(inNow)),
    element("td", rate(outNow)),
    element("td", count(sets)),
    element("td", count(gets)),
    course,
  );
  return row;
}

function addHeads(row, titles) {
  for (const title of titles) {
    const head = element("th", title);
    head.scope = "col";
    row.append(head);
  }
}

function prepareClients() {
  addHeads($("trafficHeads"), TRAFFIC_COLUMNS);
  addHeads($("clientHeads"), CLIENT_COLUMNS);
  $("clients").ontoggle = refreshClients;
}
