/* The queue that was chosen. */

function choose(name) {
  if (name !== chosen) history.pushState(null, "", addressOf(name));
  showChosen(name);
}

function showChosen(name) {
  const isNew = name !== chosen;
  chosen = name;
  $("queue").hidden = name === undefined;
  $("columns").classList.toggle("two", name !== undefined);
  refresh();
  if (name === undefined || !isNew) return;
  previews = [];
  search = undefined;
  $("find").value = "";
  failure = undefined;
  // Until the server has told of this one, they would be those of the queue before.
  for (const id of ["hold", "flush", "delete", "return"]) $(id).hidden = true;
  holders.clear();
  $("holders").replaceChildren();
  $("messages").replaceChildren();
  $("facts").replaceChildren();
  writeVisible($("name"), shownName(name), IN_NAMES);
  look();
  $("name").focus({ preventScroll: true });
  if ($("queue").getBoundingClientRect().top < 0 || isNarrow.matches) $("queue").scrollIntoView();
}

/** The name for people, before the server has told it: its bytes as UTF-8. */
function shownName(name) {
  const bytes = Uint8Array.from(name, (character) => character.charCodeAt(0));
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

function showQueue() {
  if (chosen === undefined) return;
  const queue = last.chosen;
  if (queue !== undefined) writeVisible($("name"), queue.shown, IN_NAMES);
  const facts = queue === undefined ? [["", "There is no such queue."]] : factsOf(queue);
  $("facts").replaceChildren(
    ...facts.map(([name, value]) => {
      const fact = element("div");
      fact.append(element("dt", name), element("dd", value));
      return fact;
    }),
  );
  showHeld();
  for (const id of ["hold", "flush", "delete"]) {
    $(id).hidden = !last.server.admin || !queue?.exists;
  }
  $("queue").classList.toggle("admin", last.server.admin);
  showReturn();
  write($("hold"), queue?.paused ? "Resume delivery" : "Pause delivery");
  showListed();
}

function factsOf(queue) {
  return [
    ["messages", count(queue.messages)],
    ["size", size(queue.bytes)],
    ["oldest", age(queue.age)],
    ["open", count(queue.open)],
    ["open the longest", age(queue.openAge)],
    ...Object.entries(queue.delivery).map(([what, n]) => [what, count(n)]),
    ["delivery", pauseOf(queue)],
    ["waiting", count(queue.waiters)],
    ["sets, ever", count(queue.sets)],
    ["gets, ever", count(queue.gets)],
    ...Object.entries(queue.lost).map(([what, n]) => [what, count(n)]),
  ];
}

function pauseOf({ paused }) {
  if (paused === 0) return "goes on";
  return paused < 0 ? "paused" : `paused for ${age(paused)}`;
}

async function look() {
  const name = chosen;
  const text = $("find").value;
  const query = new URLSearchParams({ queue: name, ...(text === "" ? {} : { find: text }) });
  const response = await fetch(`data/messages?${query}`).catch(() => undefined);
  const answer = response?.ok ? await response.json() : await response?.text();
  if (name !== chosen || text !== $("find").value) return;
  search = response?.ok && text !== "" ? answer : undefined;
  previews = search?.messages ?? (response?.ok ? answer : []);
  failure =
    response?.ok || response?.status === 404
      ? undefined
      : (answer ?? "The server does not answer.");
  showMessages();
}

function showMessages() {
  const view = document.querySelector("[name=view]:checked").value;
  $("messages").replaceChildren(...previews.map((preview) => messageOf(preview, view)));
  showReturn();
  if (previews.length === 0)
    $("messages").append(element("li", failure ?? "There is none.", "quiet"));
  showListed();
}

/** `20 of 41`. There may be more messages than when they were looked at, or fewer. */
function showListed() {
  const n = previews.length;
  if (search !== undefined) {
    const place = search.hasMore ? `the first ${many(search.searched, "message")}` : "all messages";
    return write($("listed"), `${count(n)} found in ${place}`);
  }
  const messages = last?.chosen?.messages ?? 0;
  write($("listed"), n === 0 ? "" : n < messages ? `${count(n)} of ${count(messages)}` : count(n));
}

/** Where one of those listed is a dead letter, all can return. */
function showReturn() {
  $("return").hidden = !last?.server.admin || !previews.some(({ moved }) => mayReturn(moved));
}

function messageOf(preview, view) {
  const bytes = Uint8Array.from(atob(preview.body), (character) => character.charCodeAt(0));
  const isCut = bytes.length < preview.length;
  const item = element("li");
  const waited = last === undefined ? 0 : Math.max(1, last.server.now - preview.arrived);
  const parts = [
    `number ${count(preview.number)}`,
    many(preview.length, "byte"),
    `${age(waited)} old`,
    ...(preview.flags === 0 ? [] : [`flags ${preview.flags}`]),
    ...(preview.open ? ["open"] : []),
    ...(preview.leased ? ["leased"] : []),
    ...(preview.deliveries > 0 ? [deliveriesOf(preview)] : []),
    ...(isCut ? [`the first ${many(bytes.length, "byte")} shown`] : []),
  ];
  const text = VIEWS[view](bytes, isCut);
  const line = element("div", undefined, "line");
  const about = element("div", parts.join(" · "), "quiet small");
  if (preview.moved !== undefined) about.append(" · ", ...originOf(preview.moved));
  const actions = messageActions(preview);
  actions.prepend(copyButton(text));
  line.append(about, actions);
  const pre = element("pre", undefined, view);
  writeVisible(pre, text, IN_BODIES);
  pre.tabIndex = 0;
  item.append(line, pre);
  return item;
}

/** Copies what is shown of a body, without the marks for what cannot be seen. */
function copyButton(text) {
  const button = element("button", "Copy", "small");
  button.type = "button";
  button.onclick = async () => {
    write(button, (await copy(text)) ? "Copied" : "Cannot copy");
    setTimeout(() => write(button, "Copy"), 2000);
  };
  return button;
}

/** Only pages of this machine and of https may use the clipboard; the others have the old command. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", text);
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    return isCopied;
  }
}
