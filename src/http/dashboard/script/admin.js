/* What changes something. */

function confirmFirst(command) {
  const queue = last.queues.find(({ name }) => name === chosen);
  if (queue === undefined) return;
  const lost = `${count(queue.messages)} ${queue.messages === 1 ? "message" : "messages"}`;
  const isFlush = command === "flush";
  write($("question"), `${isFlush ? "Flush" : "Delete"} ${queue.shown}?`);
  write(
    $("consequence"),
    isFlush
      ? `Its ${lost} are gone then, but for the ${count(queue.open)} open.`
      : `The queue, its ${lost} and its counters are gone then.`,
  );
  write($("yes"), isFlush ? "Flush it" : "Delete it");
  $("yes").onclick = () => act(command, queue.name);
  $("sure").showModal();
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
