/* The oldest messages of the chosen queue, or those that were found, and what is done to several of them. */

const MOST_LISTED = 500;
const MOST_AT_ONCE = 200; // the server takes no more numbers in one request

async function look() {
  const name = chosen;
  const text = $("find").value;
  const { ok, status, answer } = await askMessages(name, text === "" ? {} : { find: text });
  if (name !== chosen || text !== $("find").value) return;
  search = ok && text !== "" ? answer : undefined;
  previews = search?.messages ?? (ok ? answer : []);
  hasOlder = search === undefined && ok && previews.length > 0;
  failure = ok || status === 404 ? undefined : (answer ?? "The server does not answer.");
  showMessages();
}

async function askMessages(queue, more) {
  const query = new URLSearchParams({ queue, ...more });
  const response = await fetch(`data/messages?${query}`).catch(() => undefined);
  const answer = response?.ok ? await response.json() : await response?.text();
  return { ok: response?.ok === true, status: response?.status, answer };
}

/** Lists those behind the last one, too. */
async function lookFurther() {
  const name = chosen;
  const before = previews;
  const after = String(previews.at(-1)?.number ?? 0);
  const { ok, answer } = await askMessages(name, { after });
  if (name !== chosen || before !== previews) return;
  const view = bodyView();
  const found = ok ? answer : [];
  hasOlder = found.length > 0;
  previews = [...previews, ...found];
  const items = found.map((preview) => messageOf(preview, view));
  $("messages").append(...items);
  items[0]?.querySelector("pre").focus({ preventScroll: true });
  showListed();
}

function bodyView() {
  return document.querySelector("[name=view]:checked").value;
}

function showMessages() {
  const view = bodyView();
  $("messages").replaceChildren(...previews.map((preview) => messageOf(preview, view)));
  showReturn();
  if (previews.length === 0)
    $("messages").append(element("li", failure ?? "There is none.", "quiet"));
  showListed();
}

/** `20 of 41`. There may be more messages than when they were looked at, or fewer. */
function showListed() {
  const n = previews.length;
  const messages = last?.chosen?.messages ?? 0;
  $("further").hidden = !hasOlder || n >= messages || n >= MOST_LISTED;
  showPicked();
  if (search !== undefined) {
    const place = search.hasMore ? `the first ${many(search.searched, "message")}` : "all messages";
    return write($("listed"), `${count(n)} found in ${place}`);
  }
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
    ...(preview.left === undefined ? [] : [`waits ${age(Math.max(1, preview.left))} more`]),
    ...(preview.deliveries > 0 ? [deliveriesOf(preview)] : []),
    ...(isCut ? [`the first ${many(bytes.length, "byte")} shown`] : []),
  ];
  const text = VIEWS[view](bytes, isCut);
  const line = element("div", undefined, "line");
  const about = element("div", parts.join(" · "), "quiet small");
  if (preview.moved !== undefined) about.append(" · ", ...originOf(preview.moved));
  const actions = messageActions(preview);
  actions.prepend(copyButton(preview.number, text));
  line.append(pickOf(preview), about, actions);
  const pre = element("pre", undefined, view);
  writeVisible(pre, text, IN_BODIES);
  pre.tabIndex = 0;
  pre.role = "group";
  pre.setAttribute("aria-label", `Body of message ${count(preview.number)}`);
  item.append(line, pre);
  return item;
}

/** The box that picks the message. */
function pickOf({ number }) {
  const label = element("label", undefined, "pick change");
  const box = element("input");
  box.type = "checkbox";
  box.checked = picked.has(number);
  box.setAttribute("aria-label", `Pick message ${count(number)}`);
  box.onchange = () => {
    if (box.checked) picked.add(number);
    else picked.delete(number);
    showPicked();
  };
  label.append(box);
  return label;
}

/** Those that are listed no longer are picked no longer. */
function pickedNow() {
  const listed = new Set(previews.map(({ number }) => number));
  for (const number of picked) if (!listed.has(number)) picked.delete(number);
  return previews.filter(({ number }) => picked.has(number));
}

function showPicked() {
  const now = pickedNow();
  const all = $("all-picked");
  $("picks").hidden = !last?.server.admin || previews.length === 0;
  all.checked = now.length > 0 && now.length === previews.length;
  all.indeterminate = now.length > 0 && !all.checked;
  write($("pickedCount"), now.length === 0 ? "" : `${count(now.length)} picked`);
  $("deletePicked").hidden = now.length === 0;
  $("returnPicked").hidden = !now.some(isReturnable);
}

function pickAll() {
  const isOn = $("all-picked").checked;
  for (const { number } of previews) {
    if (isOn) picked.add(number);
    else picked.delete(number);
  }
  for (const box of document.querySelectorAll("#messages .pick input")) box.checked = isOn;
  showPicked();
}

/** Copies what is shown of a body, without the marks for what cannot be seen. */
function copyButton(number, text) {
  const button = element("button", "Copy", "small");
  const label = (done) => {
    write(button, done);
    button.setAttribute("aria-label", `${done} message ${count(number)}`);
  };
  label("Copy");
  button.type = "button";
  button.onclick = async () => {
    label((await copy(text)) ? "Copied" : "Cannot copy");
    setTimeout(() => label("Copy"), 2000);
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
