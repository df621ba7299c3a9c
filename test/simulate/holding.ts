/** Messages that are open or leased, and how they come back. */
import { addMoved, type Model, remove, settingsOf, toldNumber } from "./model.ts";
import { insert, type Lease, type Message, type Queue, restoreOpen, type Span } from "./queue.ts";
import { touch } from "./undo.ts";

/** Numbers of messages are below it; a lease's number tells with it how often its message was delivered before. */
export const NUMBERS = 2 ** 43;

export function findLease(queue: Queue | undefined, told: number): Lease | undefined {
  const lease = queue?.leased.get(told % NUMBERS);
  return lease?.told === told ? lease : undefined;
}

/** So many milliseconds from when the group is executed; the queues count whole ones. */
export function spanAfter({ time: { first, last } }: Model, milliseconds: number): Span {
  return { first: first + milliseconds - 1, last: last + milliseconds + 1 };
}

export function addLease(model: Model, queue: Queue, message: Message, lengthMs: number): void {
  const due = spanAfter(model, lengthMs);
  const lease = { told: toldNumber(message), due, written: due, lengthMs };
  queue.leased.set(message.number, { ...lease, message: { ...message, due: undefined } });
}

export function acknowledge(model: Model, name: string, told: number): void {
  const queue = touch(model, name);
  const lease = findLease(queue, told);
  if (queue === undefined || lease === undefined) return;
  queue.leased.delete(lease.message.number);
  remove(model, queue, lease.message);
}

/** The lease lasts for so long from now; 0: it is over, and below that its message goes to the dead letters. */
export function extend(model: Model, name: string, told: number, lengthMs: number): void {
  const queue = touch(model, name);
  const lease = findLease(queue, told);
  if (queue === undefined || lease === undefined) return;
  const { message } = lease;
  if (lengthMs > 0) {
    const due = spanAfter(model, lengthMs);
    queue.leased.set(message.number, { ...lease, due, written: due, lengthMs });
  } else {
    queue.leased.delete(message.number);
    if (lengthMs === 0 || !bury(model, queue, message)) giveBack(model, queue, message);
  }
}

/** The lease is over by the clock. */
export function endLease(model: Model, name: string, number: number): void {
  const lease = model.queues.get(name)?.leased.get(number);
  if (lease !== undefined) extend(model, name, lease.told, 0);
}

/** @param pauseMs abort: so long the message waits; below 0: as the settings say */
export function endOpen(
  model: Model,
  name: string,
  client: number,
  how: "close" | "abort" | "bury",
  pauseMs = -1,
): void {
  const queue = touch(model, name);
  const message = takeOpen(model, queue, client);
  if (queue === undefined || message === undefined) return;
  if (how === "close") return remove(model, queue, message);
  // It was looked at before its time, and not delivered.
  if (how === "abort" && pauseMs < 0 && message.early) return restoreOpen(queue, message);
  if (how === "bury" && bury(model, queue, message)) return;
  giveBack(model, queue, message, how === "abort" ? pauseMs : -1);
}

export function passOpen(model: Model, name: string, client: number, target: string): void {
  const queue = touch(model, name);
  const message = takeOpen(model, queue, client);
  if (queue === undefined || message === undefined) return;
  addMoved(model, target, message, false);
  remove(model, queue, message);
}

/** The open message is back as it was. */
export function abandonOpen(model: Model, name: string, client: number): void {
  const queue = touch(model, name);
  const message = takeOpen(model, queue, client);
  if (queue !== undefined && message !== undefined) restoreOpen(queue, message);
}

function takeOpen(model: Model, queue: Queue | undefined, client: number): Message | undefined {
  const message = queue?.open.get(client);
  if (queue === undefined || message === undefined) return undefined;
  queue.open.delete(client);
  model.settled.add(message);
  return message;
}

/** The client is gone. @param isCounted its open messages were delivered in vain */
export function releaseAll(model: Model, client: number, isCounted: boolean): void {
  for (const { name, open } of [...model.queues.values()]) {
    if (!open.has(client)) continue;
    if (isCounted) endOpen(model, name, client, "abort");
    else abandonOpen(model, name, client);
  }
  // Also in a queue that the group deletes, should that be undone.
  for (const each of model.before.values()) {
    const message = each?.open.get(client);
    if (message !== undefined) model.settled.add(message);
  }
}

/** A message that was delivered in vain comes back, or is a dead letter now. */
function giveBack(model: Model, queue: Queue, message: Message, pauseMs = -1): void {
  const { deliveries: most, retryMs, maxRetryMs } = settingsOf(model, queue.name);
  const deliveries = message.deliveries + 1;
  if (deliveries >= most && bury(model, queue, message)) return;
  const pause = pauseMs >= 0 ? pauseMs : Math.min(maxRetryMs, retryMs * 2 ** (deliveries - 1));
  const back = { ...message, deliveries, early: false };
  if (pause === 0) return insert(queue, { ...back, due: undefined });
  queue.delayed.push({ ...back, due: spanAfter(model, pause) });
}

/** @returns false when it is a dead letter already */
function bury(model: Model, queue: Queue, message: Message): boolean {
  const name = settingsOf(model, queue.name).dead || `${queue.name}.dead`;
  if (name === queue.name || message.isDead) return false;
  addMoved(model, name, message, true);
  remove(model, queue, message);
  queue.tally.dead++;
  return true;
}
