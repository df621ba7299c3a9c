/* The clients that are connected. They are asked for only while they are shown. */

const CLIENT_COLUMNS = ["Client", "Since", "Does", "Requests held", "Replies unsent"];

async function refreshClients() {
  if (!$("clients").open) return;
  const response = await fetch("data/clients").catch(() => undefined);
  const answer = response?.ok ? await response.json() : await response?.text();
  if (response?.ok) showClients(answer);
  else write($("clientCount"), answer ?? "the server does not answer");
}

function showClients({ total, clients }) {
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

function prepareClients() {
  for (const title of CLIENT_COLUMNS) {
    const head = element("th", title);
    head.scope = "col";
    $("clientHeads").append(head);
  }
  $("clients").ontoggle = refreshClients;
}
