import { StoreError } from "../../store/store.ts";
import { MAX_TAKEN, type Operation } from "../operation.ts";
import { takesRoom } from "../room.ts";
import { append } from "./append.ts";
import { dropAll } from "./cache.ts";
import { noteRemoved } from "./children.ts";
import { copyMessage, makeChild } from "./copies.ts";
import { createQueue } from "./create.ts";
import { delayNew } from "./delays.ts";
import { newDelivery, setCount } from "./delivery.ts";
import { expectDue } from "./due_time.ts";
import { bringEarly, dueIn, letWait } from "./early.ts";
import { changeLease, changeOpen, release } from "./ending.ts";
import { mayExpire } from "./expiry.ts";
import { noteExpires } from "./expiry_steps.ts";
import { find, postpone } from "./find.ts";
import { type Flush, flushQueue } from "./flush.ts";
import { closeSource, findSource, moveAll, passOpen, takesMoved } from "./hand_over.ts";
import { abandonOpen, keepOpen, putBack } from "./held.ts";
import { failIfFull, lease, leaseNumber, oldestLease, toldNumber } from "./leases.ts";
import { moveMessage } from "./moving.ts";
import { findFresh, findOldest } from "./oldest.ts";
import { isRepeat, rememberId } from "./once.ts";
import { changePause } from "./pause.ts";
import {
  countAvailable,
  isPaused,
  type LocalConsumer,
  noteAdded,
  noteGone,
  type Queue,
} from "./queue.ts";
import { consumeHead, findHeld } from "./reading.ts";
import { dropOldest, hasDroppedMuch, hasRoom } from "./room.ts";
import { singleSegment } from "./segment.ts";
import { giveBackHeld, removeMessage, returnAll, returnMessage } from "./single.ts";
import { shortageOf } from "./space.ts";
import { isChanged, type Local, now, settingsFor, settingsOf, touch } from "./state.ts";
import { detailsOf } from "./summary.ts";
import { expire } from "./sweep.ts";
import { tally } from "./tally.ts";
import { expireAll, flushAll, list, survey } from "./visiting.ts";

/** The store keeps a message's number in 43 bits. */
const MAX_NUMBER = 2 ** 43 - 1;

/** Does what the kind of the operation says. Its outcome stays done unless it is set here. @throws StoreError */
export function executeKind(local: Local, operation: Operation): void {
  switch (operation.kind) {
    case "put":
      return put(local, operation);
    case "take":
    case "lease":
    case "move":
      return operation.offered === undefined
        ? take(local, operation)
        : takeOffered(local, operation, operation.offered);
    case "open":
    case "peek":
      return operation.offered === undefined
        ? bring(local, operation)
        : takeOffered(local, operation, operation.offered);
    case "move all":
      return moveAll(local, operation);
    case "pass":
      return passOpen(local, operation);
    case "check":
    case "close":
    case "abort":
    case "bury":
      return changeOpen(local, operation);
    case "release":
      return release(local, operation);
    case "acknowledge":
    case "extend":
      return changeLease(local, operation);
    case "give back":
      return giveBackHeld(local, operation);
    case "remove":
      return removeMessage(local, operation);
    case "return":
      return returnMessage(local, operation);
    case "return all":
      return returnAll(local, operation);
    case "restore":
      return restore(local, operation);
    case "delete":
      return deleteQueue(local, operation);
    case "flush":
      return flush(local, operation);
    case "flush all":
      return flushAll(local, operation);
    case "expire":
      return expire(local, operation);
    case "expire all":
      return expireAll(local, operation);
    case "list":
      return list(local, operation);
    case "survey":
      return survey(local, operation);
    case "details":
      return details(local, operation);
    case "pause":
    case "resume":
      return pause(local, operation);
    case "checkpoint":
    case "archive":
      // It is made after the commit of the group, unless that fails.
      operation.provisional = true;
      if (operation.kind === "archive") local.checkpointAsked = "truncate";
      else local.checkpointAsked ??= "full";
      return;
    case "clash":
      operation.outcome = "held";
      return;
    case "none":
      return;
  }
}

function put(local: Local, operation: Operation): void {
  const { limits, changes } = local;
  const { flags, body, start, end, alone } = operation;
  const length = end - start;
  let queue = find(local, operation);
  const source = operation.source === "" ? undefined : findSource(local, operation);
  const settings =
    queue === undefined ? settingsFor(local, operation.queue) : settingsOf(local, queue);
  if (operation.id !== "" && queue !== undefined && isRepeat(local, queue, operation.id)) {
    touch(local, queue);
    tally(local, queue, "duplicates");
    operation.number = 0;
    operation.outcome = "repeated";
    if (source !== undefined) {
      operation.provisional = true;
      closeSource(local, source, operation);
    }
    return;
  }
  const shortage = shortageOf(local);
  if (shortage !== undefined) throw new StoreError(shortage);
  if (operation.source !== "" && source === undefined) {
    operation.provisional = isChanged(local);
    operation.outcome = "unheld";
    return;
  }
  // That it is held may be the group's own doing.
  if (source !== undefined && isChanged(local)) operation.provisional = true;
  const isBelowAll = local.bytes + length <= limits.bytes;
  if (!isBelowAll || !hasRoom(queue, settings, length)) {
    if (!isBelowAll) operation.provisional = isChanged(local);
    if (queue === undefined || !settings.dropOldest) {
      operation.outcome = "full";
      return;
    }
    if (!isRoomMade(local, queue, operation)) return;
  }
  queue ??= createQueue(local, operation.queue);
  if (queue.tail >= MAX_NUMBER) throw new StoreError("the queue has used up its message numbers");
  touch(local, queue);
  operation.provisional = true;
  operation.number = queue.tail;
  const expires = settings.readsExptime ? operation.expires : 0;
  if (expires !== 0 || queue.expiry !== undefined) noteExpires(queue, expires);
  append(queue, local.cache, flags, body, start, end, alone);
  if (operation.delay > 0 || operation.broughtDeliveries > 0) {
    const due = now(local) + operation.delay;
    delayNew(queue, operation.number, due, operation.broughtDeliveries);
    expectDue(local, due);
  }
  if (operation.id !== "") rememberId(local, queue, operation.id, operation.number);
  local.bytes += length;
  changes.bytes += length;
  if (settings.copyTo.length > 0 || local.fanout.isOn) copyMessage(local, queue, operation);
  if (source !== undefined) closeSource(local, source, operation);
}

/** Whether older messages of the queue went; otherwise the operation goes on in the next group, or is refused. */
function isRoomMade(local: Local, queue: Queue, operation: Operation): boolean {
  if (hasDroppedMuch(local)) {
    postpone(operation);
    return false;
  }
  const room = dropOldest(local, queue, operation.end - operation.start);
  operation.provisional ||= queue.touched;
  if (room === "partly") postpone(operation);
  else if (room === "none") operation.outcome = "full";
  return room === "made";
}

/** In the order of the offers: none is served before one that came to nothing. */
function takeOffered(local: Local, operation: Operation, queues: readonly string[]): void {
  const { passedOver } = local.changes;
  if (passedOver.has(operation.queue)) operation.outcome = "absent";
  else bring(local, operation);
  if (operation.outcome === "absent") for (const queue of queues) passedOver.add(queue);
}

function bring(local: Local, operation: Operation): void {
  const { kind, scope } = operation;
  if (kind === "open" && scope === "early") return openEarly(local, operation);
  if (kind === "peek" && scope === "leased") return peekLeased(local, operation);
  take(local, operation);
}

function take(local: Local, operation: Operation): void {
  const { kind } = operation;
  const queue = find(local, operation);
  const consumer = operation.consumer as LocalConsumer | undefined;
  if (kind === "open" && queue !== undefined && consumer?.open.has(queue) === true) {
    operation.outcome = "held";
    return;
  }
  if (queue === undefined || countAvailable(queue) === 0) {
    operation.outcome = "absent";
    if (queue === undefined && kind !== "peek" && operation.queue.includes("+")) {
      if (makeChild(local, operation.queue)) operation.provisional = true;
    }
    return;
  }
  if (queue.paused !== undefined && kind !== "peek" && isPaused(queue, local.clock.calendar())) {
    operation.outcome = "absent";
    return;
  }
  touch(local, queue);
  operation.provisional = true;
  operation.ttl = -1;
  operation.dueIn = 0;
  if (!findOldest(local, queue, operation)) return;
  if (mayExpire(local, queue) && !findFresh(local, queue, operation)) return;
  const { flags, start, end, number } = operation;
  const told = kind === "lease" ? leaseNumber(queue, number) : number;
  if (operation.room !== undefined && !takesRoom(operation, flags, end - start, told)) {
    operation.outcome = "too large";
    return;
  }
  if (kind === "lease") failIfFull(queue);
  if (isTooMuch(operation)) return;
  local.changes.bytes += end - start;
  operation.queueId = queue.id;
  const earlier = queue.delivery === undefined ? 0 : (queue.delivery.counts.get(number) ?? 0);
  operation.deliveries = earlier;
  if (kind === "peek") return;
  if (kind === "move") {
    if (!takesMoved(local, operation, end - start)) return;
    moveMessage(local, queue, operation, operation.target, "to");
  }
  consumeHead(queue, local.cache, operation);
  if (kind === "open") {
    keepOpen(queue, consumer as LocalConsumer, operation, local.clock.monotonic());
    operation.deliveries++;
    if (earlier > 0) tally(local, queue, "redelivered");
  } else if (kind === "lease") {
    lease(local, queue, operation, operation.lease, consumer);
    operation.number = told;
    operation.deliveries++;
  } else {
    noteGone(queue, number, end - start);
    local.bytes -= end - start;
  }
}

/** Opens the oldest message, also one that waits for its time. */
function openEarly(local: Local, operation: Operation): void {
  const queue = find(local, operation);
  if (queue === undefined) return take(local, operation);
  touch(local, queue);
  if (!bringEarly(local, queue)) return postpone(operation);
  try {
    take(local, operation);
    operation.dueIn = dueIn(local, queue, operation.number);
  } finally {
    // Unless it was opened.
    letWait(local, queue);
  }
}

/** Reads the leased message with the lowest number. */
function peekLeased(local: Local, operation: Operation): void {
  const queue = find(local, operation);
  const lease = queue && oldestLease(queue);
  if (queue !== undefined) touch(local, queue);
  operation.provisional = true;
  local.changes.costly++;
  if (lease === undefined || !findHeld(queue as Queue, local.store, lease.number, operation)) {
    operation.outcome = "absent";
    return;
  }
  const { flags, start, end } = operation;
  operation.number = toldNumber(lease.number, lease.deliveries - 1);
  operation.deliveries = lease.deliveries;
  operation.ttl = -1;
  operation.dueIn = Math.max(0, lease.due - now(local));
  if (!takesRoom(operation, flags, end - start, operation.number)) {
    operation.outcome = "too large";
  } else if (!isTooMuch(operation)) {
    local.changes.bytes += end - start;
  }
}

/** Whether the session has taken enough: then this operation and its later ones in the group are postponed. */
function isTooMuch(operation: Operation): boolean {
  const { session, start, end } = operation;
  const taken = session.taken + end - start;
  if (session.taken > 0 && taken > MAX_TAKEN) {
    postpone(operation);
    operation.provisional = false;
    return true;
  }
  session.taken = taken;
  return false;
}

/** Whether the message, which was taken, is back already, or was never gone. */
function isThere({ store }: Local, queue: Queue, number: number): boolean {
  const { id, stored, listed, restored, delivery } = queue;
  if (number >= stored.head || listed?.has(number) === true) return true;
  if (delivery !== undefined && store.delayedFrom(id, number, 1)[0] === number) return true;
  return restored?.some((message) => message.number === number) === true;
}

/** Puts back a message that was taken and not delivered: it comes before all younger ones. */
function restore(local: Local, operation: Operation): void {
  const { number, flags, body, start, end, queueId, deliveries } = operation;
  const queue = find(local, operation);
  // After a failed sync, the message may be there already.
  if (queue?.id !== queueId || isThere(local, queue, number)) return;
  touch(local, queue);
  operation.provisional = true;
  local.changes.costly++;
  const [stored] = local.store.read(queue.id, number, 1);
  const isStored = stored !== undefined && stored.first <= number;
  const segment = isStored ? undefined : singleSegment(number, flags, body, start, end);
  (queue.restored ??= []).push({ number, segment });
  putBack(queue, number);
  if (deliveries > 0) setCount((queue.delivery ??= newDelivery()), number, deliveries);
  noteAdded(queue, number, end - start);
  local.bytes += end - start;
}

function deleteQueue(local: Local, operation: Operation): void {
  const { changes, cache } = local;
  const queue = find(local, operation);
  if (queue === undefined) {
    operation.outcome = "absent";
    return;
  }
  operation.provisional = true;
  local.queues.delete(queue.name);
  noteRemoved(local.fanout.children, queue.name);
  local.bytes -= queue.bytes;
  dropAll(cache, queue);
  changes.costly++;
  const made = changes.created.indexOf(queue);
  if (made < 0) {
    changes.dropped.push(queue);
  } else {
    changes.created.splice(made, 1);
    abandonOpen(queue);
  }
}

function flush(local: Local, operation: Operation): void {
  const queue = find(local, operation);
  operation.provisional = true;
  const left = queue && flushQueue(local, queue, operation.cursor as Flush | undefined);
  operation.cursor = left;
  if (left !== undefined) operation.outcome = "more";
}

function pause(local: Local, operation: Operation): void {
  const queue = find(local, operation);
  if (queue === undefined) {
    operation.outcome = "absent";
    return;
  }
  operation.provisional = true;
  changePause(local, queue, operation);
}

function details(local: Local, operation: Operation): void {
  const queue = find(local, operation);
  operation.details = queue && detailsOf(local, queue);
  if (queue === undefined) operation.outcome = "absent";
}
