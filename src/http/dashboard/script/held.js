/* The messages of the queue that cannot be delivered now: open, leased and delayed ones. And where a message came from. */

/** Why messages are moved, as the server tells it. */
const REASONS = {
  deliveries: "after its deliveries",
  dead: "as a dead letter",
  expired: "when it had expired",
  to: "by a client",
};

const holders = new Map(); // told: the item of that delivery

function showHeld() {
  const { held, server, chosen: queue } = last;
  const { open = [], leased = [], delayed = [] } = held ?? {};
  $("held").hidden = open.length + leased.length + delayed.length === 0;
  const items = [
    ...open.map((message) => heldItem(message, openParts(message, server.now))),
    ...leased.map((message) => heldItem(message, leaseParts(message, server.now))),
    ...delayed.map((message) => heldItem(message, delayParts(message, server.now))),
  ];
  items.forEach((item, i) => {
    if ($("holders").children[i] !== item)
      $("holders").insertBefore(item, $("holders").children[i] ?? null);
  });
  while ($("holders").children.length > items.length) $("holders").lastChild.remove();
  for (const told of holders.keys()) if (!holders.get(told).isConnected) holders.delete(told);
  const all = (queue?.open ?? 0) + (queue?.delivery.leased ?? 0) + (queue?.delivery.delayed ?? 0);
  write($("heldCount"), all > items.length ? `${count(items.length)} of ${count(all)}` : "");
}

/** An item stays as long as its delivery or its delay does, so that a click does not go to another one. */
function heldItem(message, parts) {
  const { number, told = `delayed ${message.number}`, length, deliveries } = message;
  const all = [
    `number ${count(number)}`,
    ...parts,
    ...(deliveries > 1 ? [deliveriesOf({ deliveries })] : []),
    ...(length === undefined ? [] : [many(length, "byte")]),
  ];
  let item = holders.get(told);
  if (item === undefined) {
    item = element("li", undefined, "line small");
    item.append(element("span"), heldActions(message));
    holders.set(told, item);
  }
  write(item.firstChild, all.join(" · "));
  return item;
}

function openParts({ client, age: opened }, now) {
  return [`open by ${client}`, `for ${age(Math.max(1, opened))}`, `since ${dateOf(now - opened)}`];
}

function leaseParts({ left, client }, now) {
  return [
    ...(client === undefined ? ["leased"] : [`leased by ${client}`]),
    `for ${age(Math.max(1, left))} more`,
    `until ${dateOf(now + left)}`,
  ];
}

function delayParts({ left }, now) {
  return [`delayed for ${age(Math.max(1, left))} more`, `until ${dateOf(now + left)}`];
}

/** `delivered once`, `delivered 3 times`. */
function deliveriesOf({ deliveries }) {
  return deliveries === 1 ? "delivered once" : `delivered ${count(deliveries)} times`;
}

/** From which queue the message came, and why. @returns parts of a line */
function originOf({ shown, number, reason }) {
  const name = element("span");
  writeVisible(name, shown, IN_NAMES);
  return ["from ", name, `, number ${count(number)} there, moved ${REASONS[reason] ?? reason}`];
}
