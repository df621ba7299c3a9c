import { deadQueueOf, type QueueSettings } from "../../config/queue_settings.ts";
import { loseHeld } from "./damage.ts";
import { newDelivery, setCount, setLease, setRow } from "./delivery.ts";
import { expectDue } from "./due_time.ts";
import { isEarly, letWait } from "./early.ts";
import { putBack } from "./held.ts";
import { movedFrom, moveMessage } from "./moving.ts";
import { removeOpen } from "./open.ts";
import { type LocalConsumer, newMessage, noteGone, type Queue, settle, tableOf } from "./queue.ts";
import { findHeld } from "./reading.ts";
import { type Local, now, settingsOf } from "./state.ts";
import { tally } from "./tally.ts";

/*
 * What happens to a message that was delivered and not acknowledged: it can be delivered again, at once or after a pause,
 * or it goes to the queue of dead letters.
 */

/** The longest name of a queue, in bytes. */
const MAX_NAME = 250;

/**
 * The message that the consumer has open was delivered in vain.
 * @returns false when it has none
 * @throws StoreError when it cannot be moved to the dead letters: it is back in its queue, and the delivery is not counted
 */
export function abortCounted(
  local: Local,
  queue: Queue,
  consumer: LocalConsumer,
  pauseMs?: number,
): boolean {
  const number = consumer.open.get(queue);
  if (number === undefined) return false;
  consumer.open.delete(queue);
  removeOpen(queue, number);
  if (pauseMs === undefined && isEarly(queue, number)) {
    putBack(queue, number);
    letWait(local, queue);
    return true;
  }
  const deliveries = (queue.delivery?.counts.get(number) ?? 0) + 1;
  try {
    giveBack(local, queue, number, deliveries, pauseMs);
  } catch (error) {
    putBack(queue, number);
    throw error;
  }
  return true;
}

/** The open message goes to the dead letters; one that is a dead letter goes back. @returns false when there is none */
export function buryOpen(local: Local, queue: Queue, consumer: LocalConsumer): boolean {
  const number = consumer.open.get(queue);
  if (number === undefined) return false;
  if (!bury(local, queue, number, "dead")) return abortCounted(local, queue, consumer);
  consumer.open.delete(queue);
  removeOpen(queue, number);
  return true;
}

/**
 * The message, which no consumer has any more, goes back after so many deliveries.
 * @param pauseMs until it can be delivered again; undefined: what the queue's settings say
 * @throws StoreError when nothing has changed
 */
export function giveBack(
  local: Local,
  queue: Queue,
  number: number,
  deliveries: number,
  pauseMs?: number,
): void {
  const settings = settingsOf(local, queue);
  if (deliveries >= settings.deliveries && bury(local, queue, number, "deliveries")) return;
  const pause = pauseMs ?? retryPause(settings, deliveries);
  const delivery = (queue.delivery ??= newDelivery());
  const was = tableOf(queue, number);
  if (pause > 0) {
    const due = now(local) + pause;
    setRow(delivery, number, was, { table: "delayed", deliveries, due });
    setCount(delivery, number, 0);
    expectDue(local, due);
  } else {
    setRow(delivery, number, was, { table: "held", deliveries, lease: undefined });
    setCount(delivery, number, deliveries);
    putBack(queue, number);
  }
  if (delivery.leases.has(number)) setLease(delivery, number, undefined);
  settle(queue, number);
}

/** The pause doubles with each delivery, from the first setting up to the second. In milliseconds. */
function retryPause({ retryMs, maxRetryMs }: QueueSettings, deliveries: number): number {
  return Math.min(maxRetryMs, retryMs * 2 ** (deliveries - 1));
}

/**
 * Moves a held message to the queue of dead letters.
 * @returns false when it has no place there: it is a dead letter already, or the name of that queue would be too long
 */
export function bury(
  local: Local,
  queue: Queue,
  number: number,
  reason: "deliveries" | "dead",
): boolean {
  const name = deadQueueOf(settingsOf(local, queue), queue.name);
  if (name === queue.name || isDeadLetter(local, queue, number)) return false;
  if (name.length > MAX_NAME) {
    warnOfName(local, queue);
    return false;
  }
  const message = newMessage();
  if (!findHeld(queue, local.store, number, message)) {
    loseHeld(local, queue, number);
    return true;
  }
  moveMessage(local, queue, message, name, reason);
  noteGone(queue, number, message.end - message.start);
  local.bytes -= message.end - message.start;
  tally(local, queue, "dead");
  return true;
}

function isDeadLetter({ store }: Local, queue: Queue, number: number): boolean {
  const reason = movedFrom(queue, store, number)?.reason;
  return reason === "deliveries" || reason === "dead";
}

function warnOfName(local: Local, queue: Queue): void {
  const { unburied } = local.due;
  if (unburied.has(queue)) return;
  unburied.add(queue);
  local.warn(
    `queue ${queue.name}: its dead letters stay in it, since "${queue.name}.dead" is longer than ${MAX_NAME} bytes`,
  );
}
