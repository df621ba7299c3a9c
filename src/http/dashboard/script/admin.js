/* What changes something. */

function confirmFirst(command) {
  const queue = last.chosen;
  if (queue === undefined) return;
  const isFlush = command === "flush";
  const name = element("span");
  writeVisible(name, queue.shown, IN_NAMES);
  ask(
    [isFlush ? "Flush " : "Delete ", name, "?"],
    isFlush ? lossOfFlush(queue) : lossOfDelete(queue),
    isFlush ? "Flush it" : "Delete it",
    command,
    queue.name,
  );
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

function ask(question, consequence, yes, command, queue, number) {
  $("question").replaceChildren(...question);
  write($("consequence"), consequence);
  write($("yes"), yes);
  $("yes").onclick = () => act(command, queue, number);
  $("sure").showModal();
}

/** A message that is held is given back or deleted. */
function heldActions({ number, told, client }) {
  const actions = element("span", undefined, "actions");
  const queue = chosen;
  const worker = client === undefined ? "The one that leased it" : `The client ${client}`;
  actions.append(
    action("Give back…", () =>
      ask(
        [`Give back message ${count(number)}?`],
        `${worker} may still work on it. It can be delivered again then, and this counts as a delivery.`,
        "Give it back",
        "give-back",
        queue,
        told,
      ),
    ),
    deleteAction(queue, number),
  );
  return actions;
}

/** Whether the server moved it here, since it died or expired. What a client moved stays. */
function mayReturn(moved) {
  return moved !== undefined && moved.reason !== "to";
}

/** Of the listed messages: dead letters return where they came from, any is deleted. */
function messageActions({ number, moved, open, leased }) {
  const actions = element("span", undefined, "actions");
  const queue = chosen;
  if (mayReturn(moved) && !open && !leased)
    actions.append(action("Return", () => act("return", queue, number)));
  actions.append(deleteAction(queue, number));
  return actions;
}

function deleteAction(queue, number) {
  const button = action("Delete…", () =>
    ask(
      [`Delete message ${count(number)}?`],
      "It is gone then.",
      "Delete it",
      "remove",
      queue,
      number,
    ),
  );
  button.classList.add("danger");
  return button;
}

function action(title, onclick) {
  const button = element("button", title, "small change");
  button.type = "button";
  button.onclick = onclick;
  return button;
}

function confirmReturn() {
  const name = element("span");
  name.append(...$("name").cloneNode(true).childNodes);
  ask(
    ["Return all dead letters of ", name, "?"],
    "They go back to the tails of the queues that they came from. What was set here, and what is open, leased or delayed, stays.",
    "Return them",
    "return-all",
    chosen,
  );
}

async function act(command, name, number) {
  const options = { method: "POST", headers: { "x-memcacheq": "page" } };
  const query = new URLSearchParams({ queue: name, ...(number && { number }) });
  const response = await fetch(`admin/${command}?${query}`, options).catch(() => undefined);
  if (response?.ok) {
    $("sure").close();
    if (command === "delete") choose(undefined);
    else look();
    return refresh();
  }
  // What needed no question tells its failure in the same place.
  if (!$("sure").open) ask(["Not done"], "", "Try again", command, name, number);
  write(
    $("consequence"),
    response === undefined ? "The server does not answer." : await response.text(),
  );
}
