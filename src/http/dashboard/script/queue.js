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
  picked.clear();
  hasOlder = false;
  search = undefined;
  $("find").value = "";
  failure = undefined;
  // Until the server has told of this one, they would be those of the queue before.
  for (const id of ["hold", "flush", "delete", "return", "picks", "further"]) $(id).hidden = true;
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
    ...(queue.open === 0 ? [] : [["open the longest", age(queue.openAge)]]),
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
