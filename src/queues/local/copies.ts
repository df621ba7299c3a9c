import { StoreError } from "../../store/store.ts";
import type { Operation } from "../operation.ts";
import { findSettings } from "../settings.ts";
import { append } from "./append.ts";
import { createQueue } from "./create.ts";
import { delayNew } from "./delays.ts";
import { expectDue } from "./due_time.ts";
import { noteExpires } from "./expiry_steps.ts";
import type { Queue } from "./queue.ts";
import { dropOldest, hasRoom } from "./room.ts";
import { type Local, now, settingsOf, touch } from "./state.ts";
import { tally } from "./tally.ts";

/*
 * Copies of messages that are set: to the queues of `copy-to`, and with --fanout to the children of a queue, `q+child`. A
 * copy is not copied again, so there are no circles.
 */

/** Copies the message that the operation has added to the queue. Where there is no room for a copy, that is counted. */
export function copyMessage(local: Local, queue: Queue, operation: Operation): void {
  const { copyTo } = settingsOf(local, queue);
  for (const name of copyTo) {
    if (name !== queue.name) copyInto(local, queue, name, operation);
  }
  if (!local.fanout.isOn) return;
  for (const { name } of childrenOf(local, queue.name)) {
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
  const settings =
    target === undefined ? findSettings(local.rules, name) : settingsOf(local, target);
  const isBelowAll = local.bytes + length <= local.limits.bytes;
  if (isBelowAll && hasRoom(target, settings, length)) return true;
  return target !== undefined && settings.dropOldest && dropOldest(local, target, length);
}

function addCopy(local: Local, target: Queue, operation: Operation): void {
  const { flags, body, start, end, delay } = operation;
  const expires = settingsOf(local, target).readsExptime ? operation.expires : 0;
  if (expires !== 0 || target.expiry !== undefined) noteExpires(target, expires);
  const number = target.tail;
  append(target, local.cache, flags, body, start, end, false);
  if (delay > 0) {
    const due = now(local) + delay;
    delayNew(target, number, due);
    expectDue(local, due);
  }
  local.bytes += end - start;
  local.changes.bytes += end - start;
}

/** The queues `name+…`. They are looked for again when one was made or deleted. */
function childrenOf({ fanout, queues }: Local, name: string): readonly Queue[] {
  if (fanout.isStale) {
    fanout.children.clear();
    for (const queue of queues.values()) {
      const parent = parentOf(queue.name);
      if (parent === undefined) continue;
      const known = fanout.children.get(parent);
      if (known === undefined) fanout.children.set(parent, [queue]);
      else known.push(queue);
    }
    fanout.isStale = false;
  }
  return fanout.children.get(name) ?? NONE;
}

const NONE: readonly Queue[] = Object.freeze([]);

/** `q` of `q+child`; undefined of another name. */
export function parentOf(name: string): string | undefined {
  const plus = name.indexOf("+");
  return plus > 0 && plus < name.length - 1 ? name.slice(0, plus) : undefined;
}

/**
 * A client asks for a message of a queue that is not there. With --fanout a child is made then, and gets copies from now on.
 * @returns whether it was made
 */
export function makeChild(local: Local, name: string): boolean {
  const parent = parentOf(name);
  if (parent === undefined) return false;
  const { fanout } = local;
  if (fanout.isOn) {
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
