/* The queue that was chosen. */

function choose(name) {
  chosen = name;
  previews = [];
  showMessages();
  history.replaceState(
    null,
    "",
    name === undefined ? location.pathname : `#${encodeURIComponent(name)}`,
  );
  $("queue").hidden = name === undefined;
  $("columns").classList.toggle("two", name !== undefined);
  if (name === undefined) return showTable();
  refresh();
  look();
  $("name").focus({ preventScroll: true });
  $("queue").scrollIntoView({ block: "nearest" });
}

function showQueue() {
  if (chosen === undefined) return;
  const queue = last.queues.find(({ name }) => name === chosen);
  write($("name"), queue?.shown ?? chosen);
  const facts = queue === undefined ? [["", "not in the list now"]] : factsOf(queue);
  $("facts").replaceChildren(
    ...facts.map(([name, value]) => {
      const fact = element("div");
      fact.append(element("dt", name), element("dd", value));
      return fact;
    }),
  );
  showOpen();
  for (const id of ["flush", "delete"]) $(id).hidden = !last.server.admin || queue === undefined;
}

function factsOf(queue) {
  return [
    ["messages", count(queue.messages)],
    ["size", size(queue.bytes)],
    ["oldest", age(queue.age)],
    ["open", count(queue.open)],
    ["open the longest", age(queue.openAge)],
    ["waiting", count(queue.waiters)],
    ["sets, ever", count(queue.sets)],
    ["gets, ever", count(queue.gets)],
  ];
}

/* The clients that have messages of the queue open. */
function showOpen() {
  const { opened, server } = last;
  $("opened").hidden = opened.length === 0;
  $("holders").replaceChildren(
    ...opened.map(({ number, client, length, age: opened }) => {
      const since = new Date(server.now - opened).toLocaleString([], { hour12: false });
      const parts = [
        client,
        `for ${age(Math.max(1, opened))}`,
        `since ${since}`,
        `number ${count(number)}`,
        `${count(length)} bytes`,
      ];
      return element("li", parts.join(" · "), "small");
    }),
  );
}

async function look() {
  const name = chosen;
  const response = await fetch(`data/messages?queue=${encodeURIComponent(name)}`).catch(
    () => undefined,
  );
  if (name !== chosen) return;
  previews = response?.ok ? await response.json() : [];
  showMessages();
}

function showMessages() {
  const view = document.querySelector("[name=view]:checked").value;
  $("messages").replaceChildren(...previews.map((preview) => messageOf(preview, view)));
  if (previews.length === 0) $("messages").append(element("li", "There is none.", "quiet"));
}

function messageOf(preview, view) {
  const bytes = Uint8Array.from(atob(preview.body), (character) => character.charCodeAt(0));
  const item = element("li");
  const waited = last === undefined ? 0 : Math.max(1, last.server.now - preview.arrived);
  const parts = [
    `number ${count(preview.number)}`,
    `${count(preview.length)} bytes`,
    `${age(waited)} old`,
    ...(preview.flags === 0 ? [] : [`flags ${preview.flags}`]),
    ...(preview.open ? ["open"] : []),
    ...(bytes.length < preview.length ? [`the first ${count(bytes.length)} are shown`] : []),
  ];
  item.append(element("div", parts.join(" · "), "quiet small"));
  const text = { text: asText, json: asJson, hex: asHex }[view](bytes);
  const pre = element("pre", text, view);
  pre.tabIndex = 0;
  item.append(pre);
  return item;
}
