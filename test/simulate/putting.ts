/** What a set does: ids, limits, copies, and the message that it closes. */
import type { Operation } from "../../src/queues/operation.ts";
import { type Body, sizeOf } from "./body.ts";
import { isDoubtful } from "./doubt.ts";
import { acknowledge, endOpen, findLease, spanAfter } from "./holding.ts";
import { add, hasRoom, type Model, remove, settingsOf, type Told, touchOrMake } from "./model.ts";
import { count, type Message, type Queue } from "./queue.ts";
import { touch } from "./undo.ts";

type Put = Pick<Operation, "queue" | "start" | "end" | "id" | "source" | "sourceNumber">;

export function expectPut(model: Model, asked: Put, client: number): Told {
  const { queue: name, id, source, start, end } = asked;
  const fresh = expectFresh(
    model,
    name,
    end - start,
    source === "" || isHeld(model, asked, client),
  );
  const repeat = id === "" ? "no" : repeatOf(model, name, id);
  if (repeat === "yes") return { outcome: "repeated" };
  return repeat === "no" ? fresh : { ...fresh, or: "repeated" };
}

function expectFresh(model: Model, name: string, bytes: number, isHeld: boolean): Told {
  if (!isHeld) return { outcome: "unheld" };
  const outcome = dropsFor(model, name, bytes) === undefined ? "full" : "done";
  if (!model.hasDoubtful) return { outcome };
  const queue = model.queues.get(name);
  const queues = model.limits.bytes < Infinity ? [...model.queues.values()] : queue && [queue];
  return queues?.some(isDoubtful) === true
    ? { outcome, or: outcome === "full" ? "done" : "full" }
    : { outcome };
}

function isHeld({ queues }: Model, { source, sourceNumber }: Put, client: number): boolean {
  const queue = queues.get(source);
  if (sourceNumber > 0) return findLease(queue, sourceNumber) !== undefined;
  return queue?.open.has(client) === true;
}

/** Whether the id was set within the time of `once`. */
function repeatOf(model: Model, name: string, id: string): "yes" | "no" | "perhaps" {
  const set = model.queues.get(name)?.ids.get(id);
  if (set === undefined) return "no";
  const { onceMs } = settingsOf(model, name);
  const { first, last } = model.time;
  if (last - set.first + 2 < onceMs) return "yes";
  return first - set.last - 2 >= onceMs ? "no" : "perhaps";
}

/** How many of the oldest messages go, so that there is room; undefined: there is none. */
function dropsFor(model: Model, name: string, bytes: number): number | undefined {
  if (hasRoom(model, name, bytes) && model.bytes + bytes <= model.limits.bytes) return 0;
  const queue = model.queues.get(name);
  const { dropOldest, maxMessages, maxBytes } = settingsOf(model, name);
  if (queue === undefined || !dropOldest) return undefined;
  let freed = 0;
  for (const [n, { body }] of queue.available.entries()) {
    freed += sizeOf(body);
    const isBelow = queue.bytes - freed + bytes <= maxBytes && count(queue) - n - 1 < maxMessages;
    if (isBelow && model.bytes - freed + bytes <= model.limits.bytes) return n + 1;
  }
  return undefined;
}

/** @param body undefined: the message was set before, and is not added again */
export function put(model: Model, operation: Operation, client: number, body?: Body): void {
  const { queue: name, id, delay, flags, source, sourceNumber } = operation;
  if (body === undefined) {
    (touch(model, name) as Queue).tally.duplicates++;
  } else {
    dropOldest(model, name, sizeOf(body));
    const queue = touchOrMake(model, name);
    addNew(model, queue, flags, body, delay);
    if (id !== "") {
      const { first, last } = model.time;
      queue.ids.set(id, { first, last });
    }
    const { copyTo } = settingsOf(model, name);
    for (const to of copyTo) if (to !== name) copy(model, queue, to, operation, body);
  }
  if (source === "") return;
  if (sourceNumber > 0) acknowledge(model, source, sourceNumber);
  else endOpen(model, source, client, "close");
}

function dropOldest(model: Model, name: string, bytes: number): void {
  const drops = dropsFor(model, name, bytes) ?? 0;
  if (drops === 0) return;
  const queue = touch(model, name) as Queue;
  for (const message of queue.available.splice(0, drops)) remove(model, queue, message);
  queue.tally.dropped += drops;
}

function copy(
  model: Model,
  from: Queue,
  to: string,
  { flags, delay }: Operation,
  body: Body,
): void {
  if (dropsFor(model, to, sizeOf(body)) === undefined) {
    (touch(model, to) ?? from).tally.missed++;
    return;
  }
  dropOldest(model, to, sizeOf(body));
  addNew(model, touchOrMake(model, to), flags, body, delay);
}

function addNew(model: Model, queue: Queue, flags: number, body: Body, delay: number): void {
  const due = delay > 0 ? spanAfter(model, delay) : undefined;
  const message: Message = {
    number: ++queue.sets,
    flags,
    body,
    deliveries: 0,
    isDead: false,
    due,
    early: false,
    lost: false,
    doubtful: false,
  };
  add(model, queue, message);
}
