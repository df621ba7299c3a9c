import { StoreError } from "../../store/store.ts";
import { parentOf } from "../child.ts";
import type { Operation } from "../operation.ts";
import { append } from "./append.ts";
import { createQueue } from "./create.ts";
import { delayNew } from "./delays.ts";
import { expectDue } from "./due_time.ts";
import { noteExpires } from "./expiry_steps.ts";
import { countMessages } from "./held.ts";
import type { Queue } from "./queue.ts";
import { dropOldest, hasRoom } from "./room.ts";
import { type Local, now, settingsFor, settingsOf, touch } from "./state.ts";
import { tally } from "./tally.ts";

/*
 * Copies of messages that are set: to the queues of `copy-to`, and with --fanout to the children of a queue, `q+child`. A
 * copy is not copied again, so there are no circles.
 */

/** A set to a parent is as much work as a set to each child. */
const MAX_CHILDREN = 64;
const NONE: readonly string[] = Object.freeze([]);

/** Copies the message that the operation has added to the queue. Where there is no room for a copy, that is counted. */
export function copyMessage(local: Local, queue: Queue, operation: Operation): void {
  const { fanout } = local;
  // A child has the settings of its parent, but what is set to it alone concerns no other queue.
  const isChild = fanout.isOn && parentOf(queue.name) !== undefined;
  const copyTo = isChild ? NONE : settingsOf(local, queue).copyTo;
  for (const name of copyTo) {
    if (name !== queue.name) copyInto(local, queue, name, operation);
  }
  if (!fanout.isOn) return;
  for (const name of fanout.children.get(queue.name) ?? NONE) {
    if (!copyTo.includes(name)) copyInto(local, queue, name, operation);
  }
}

/** A copy that cannot be made leaves the message itself as it is. */
function copyInto(local: Local, from: Queue, name: string, operation: Operation): void {
  try {
    const known = local.queues.get(name);
    if (!isRoomMade(local, known, name, operation.end - operation.start)) {
      if (known !== undefined) touch(local, known);
      return tally(local, known ?? from, "missed");
    }
    const target = known ?? createQueue(local, name);
    touch(local, target);
    addCopy(local, target, operation);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    tally(local, from, "missed");
  }
}

/** @param target undefined when the queue is not there yet */
function isRoomMade(
  local: Local,
  target: Queue | undefined,
  name: string,
  length: number,
): boolean {
  const settings = target === undefined ? settingsFor(local, name) : settingsOf(local, target);
  const isBelowAll = local.bytes + length <= local.limits.bytes;
  if (isBelowAll && hasRoom(target, settings, length)) return true;
  if (target === undefined || !settings.dropOldest) return false;
  const { bytes } = target;
  const messages = countMessages(target);
  const room = dropOldest(local, target, length);
  // A queue far above limits that were lowered comes down with each copy.
  const isSmaller = target.bytes + length <= bytes && countMessages(target) < messages;
  return room === "made" || (room === "partly" && isSmaller);
}

function addCopy(local: Local, target: Queue, operation: Operation): void {
  const { flags, body, start, end, delay } = operation;
  const expires = settingsOf(local, target).readsExptime ? operation.expires : 0;
  if (expires !== 0 || target.expiry !== undefined) noteExpires(target, expires);
  const number = target.tail;
  append(target, local.cache, flags, body, start, end, false);
  if (delay > 0) {
    const due = now(local) + delay;
    delayNew(target, number, due, 0);
    expectDue(local, due);
  }
  local.bytes += end - start;
  local.changes.bytes += end - start;
}

/**
 * A client asks for a message of a queue that is not there. With --fanout a child is made then, and gets copies from now on.
 * @returns whether it was made
 * @throws StoreError when the parent has too many
 */
export function makeChild(local: Local, name: string): boolean {
  const parent = parentOf(name);
  if (parent === undefined) return false;
  const { fanout } = local;
  if (fanout.isOn) {
    if ((fanout.children.get(parent)?.size ?? 0) >= MAX_CHILDREN) {
      throw new StoreError(`${parent} has ${MAX_CHILDREN} children already`);
    }
    touch(local, createQueue(local, name));
    return true;
  }
  if (!fanout.isTold) {
    local.warn(
      `a client gets from ${name}: without --fanout that is a queue like any other, and nothing that is set to ${parent} arrives there`,
    );
  }
  fanout.isTold = true;
  return false;
}
