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

function ask(question, consequence, yes, command, queue, ...numbers) {
  $("question").replaceChildren(...question);
  write($("consequence"), consequence);
  write($("yes"), yes);
  // What can be undone is not red.
  $("yes").classList.toggle("danger", ["flush", "delete", "remove"].includes(command));
  $("yes").onclick = () => act(command, queue, ...numbers);
  $("sure").showModal();
}

/** A message that is held is given back or deleted, one that is delayed only the latter. */
function heldActions({ number, told, client }) {
  const actions = element("span", undefined, "actions");
  const queue = chosen;
  if (told === undefined) {
    actions.append(deleteAction(queue, number));
    return actions;
  }
  const worker = client === undefined ? "The one that leased it" : `The client ${client}`;
  actions.append(
    action("Give back…", number, () =>
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

function isReturnable({ moved, open, leased }) {
  return mayReturn(moved) && !open && !leased;
}

/** Of the listed messages: dead letters return where they came from, any is deleted. */
function messageActions(preview) {
  const { number } = preview;
  const actions = element("span", undefined, "actions");
  const queue = chosen;
  if (isReturnable(preview))
    actions.append(action("Return", number, () => act("return", queue, number)));
  actions.append(deleteAction(queue, number));
  return actions;
}

function deleteAction(queue, number) {
  const button = action("Delete…", number, () =>
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

function action(title, number, onclick) {
  const button = element("button", title, "small change");
  button.setAttribute("aria-label", `${title.replace("…", "")} message ${count(number)}`);
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

function confirmPicked(command) {
  const numbers = pickedNow()
    .filter((preview) => command === "remove" || isReturnable(preview))
    .map(({ number }) => number);
  const what = many(numbers.length, command === "remove" ? "message" : "dead letter");
  if (command === "remove")
    return ask(
      [`Delete ${what}?`],
      `${numbers.length === 1 ? "It is" : "They are"} gone then.`,
      "Delete",
      command,
      chosen,
      ...numbers,
    );
  ask(
    [`Return ${what}?`],
    "To the tail of the queue that each came from.",
    "Return",
    command,
    chosen,
    ...numbers,
  );
}

/** Asks for as many as the server takes in one request, then for the others. @returns the last answer */
async function post(command, name, numbers) {
  const options = { method: "POST", headers: { "x-memcacheq": "page" } };
  const rest = [...numbers];
  let response;
  do {
    const query = new URLSearchParams({ queue: name });
    for (const number of rest.splice(0, MOST_AT_ONCE)) query.append("number", number);
    response = await fetch(`admin/${command}?${query}`, options).catch(() => undefined);
  } while (rest.length > 0 && response?.ok);
  return response;
}

async function act(command, name, ...numbers) {
  const response = await post(command, name, numbers);
  if (response?.ok) {
    $("sure").close();
    if (command === "delete") choose(undefined);
    else await look();
    // What had the focus may be gone.
    if (document.activeElement === document.body && chosen !== undefined)
      $("name").focus({ preventScroll: true });
    return refresh();
  }
  // What needed no question tells its failure in the same place.
  if (!$("sure").open) ask(["Not done"], "", "Try again", command, name, ...numbers);
  write(
    $("consequence"),
    response === undefined ? "The server does not answer." : await response.text(),
  );
}
