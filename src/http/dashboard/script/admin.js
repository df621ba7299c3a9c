/* What changes something. */

function confirmFirst(command) {
  const queue = last.chosen;
  if (queue === undefined) return;
  const isFlush = command === "flush";
  const name = element("span");
  writeVisible(name, queue.shown, IN_NAMES);
  $("question").replaceChildren(isFlush ? "Flush " : "Delete ", name, "?");
  write($("consequence"), isFlush ? lossOfFlush(queue) : lossOfDelete(queue));
  write($("yes"), isFlush ? "Flush it" : "Delete it");
  $("yes").onclick = () => act(command, queue.name);
  $("sure").showModal();
}

function lossOfFlush({ messages, open }) {
  const lost = messages - open;
  if (lost === 0) return `It has no message to lose${open === 0 ? "" : ": an open one stays"}.`;
  const rest =
    open === 0
      ? ""
      : `; ${open === 1 ? "the open one stays" : `the ${count(open)} open ones stay`}`;
  return `${many(lost, "message")} ${lost === 1 ? "is" : "are"} gone then${rest}.`;
}

function lossOfDelete({ messages }) {
  const lost =
    messages === 0 ? "" : messages === 1 ? ", its message" : `, its ${many(messages, "message")}`;
  return `The queue${lost} and its counters are gone then.`;
}

/** Pauses the queue until it is resumed, or resumes it: nothing is lost by that, so there is no question. */
function holdOrResume() {
  const queue = last.chosen;
  if (queue !== undefined) act(queue.paused === 0 ? "pause" : "resume", queue.name);
}

async function act(command, name) {
  const options = { method: "POST", headers: { "x-memcacheq": "page" } };
  const response = await fetch(`admin/${command}?queue=${encodeURIComponent(name)}`, options).catch(
    () => undefined,
  );
  if (response?.ok) {
    $("sure").close();
    if (command === "delete") choose(undefined);
    else look();
    return refresh();
  }
  write(
    $("consequence"),
    response === undefined ? "The server does not answer." : await response.text(),
  );
}
