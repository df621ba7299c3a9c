import type { Operation } from "../operation.ts";
import type { SharedConsumer } from "./consumer.ts";
import { hexOf } from "./names.ts";
import { DELIVERING, type Single } from "./single.ts";
import { settingsFor, type Shared } from "./state.ts";

/** What the operation says, without its body. @param queue its id, and that of its source */
export function singleOf(
  shared: Shared,
  operation: Operation,
  queue: number | null,
  source: number | null,
): Single {
  const { kind } = operation;
  const single: Single = { k: kind, q: queue, absent: absentOutcome(kind) };
  if (operation.consumer !== undefined) single["c"] = (operation.consumer as SharedConsumer).id;
  if (DELIVERING.has(kind)) addDelivery(operation, single);
  if (operation.target !== "") single["target"] = hexOf(operation.target);
  if (kind === "put") addPut(shared, operation, single, source);
  if (kind === "abort") single["delay"] = operation.delay < 0 ? -1 : operation.delay;
  if (kind === "extend") single["lease"] = operation.lease;
  if (kind === "release") single["inVain"] = operation.inVain;
  if (kind === "restore") addRestored(operation, single);
  if (kind === "pause" || kind === "resume") single["until"] = pauseOf(shared, operation);
  if (NUMBERED.has(kind)) single["n"] = operation.number;
  if (operation.cursor !== undefined) Object.assign(single, operation.cursor);
  return single;
}

const NUMBERED: ReadonlySet<string> = new Set([
  "acknowledge",
  "extend",
  "give back",
  "remove",
  "return",
  "restore",
]);

/** What an operation brings where there is no such queue. */
export function absentOutcome(kind: string): "done" | "absent" | "held" {
  if (kind === "clash") return "held";
  return DONE_ANYWAY.has(kind) ? "done" : "absent";
}

const DONE_ANYWAY: ReadonlySet<string> = new Set([
  "none",
  "checkpoint",
  "archive",
  "check",
  "move all",
  "return all",
  "release",
  "restore",
  "flush",
  "expire",
]);

function addDelivery(operation: Operation, single: Single): void {
  const { kind, scope, lease, consumer, room, besides } = operation;
  if (scope !== "available") single["scope"] = scope;
  if (kind === "lease") single["lease"] = lease;
  if ((kind === "open" || kind === "lease") && consumer !== undefined)
    single["client"] = (consumer as SharedConsumer).client().replaceAll("\0", "");
  if (room !== undefined) Object.assign(single, { left: room.left, besides });
}

function addPut(shared: Shared, operation: Operation, single: Single, source: number | null): void {
  const { flags, delay, expires, broughtDeliveries, id, queue } = operation;
  Object.assign(single, { flags: flags | 0, delay, expires, brought: broughtDeliveries });
  if (id !== "") {
    single["id"] = BigInt.asIntN(64, Bun.hash.xxHash64(id)).toString();
    single["once"] = settingsFor(shared, queue).onceMs;
  }
  if (operation.source !== "") {
    single["source"] = source;
    single["sourceNumber"] = operation.sourceNumber;
    single["name"] = hexOf(queue);
  }
}

function addRestored({ flags, deliveries, queueId }: Operation, single: Single): void {
  Object.assign(single, { flags: flags | 0, brought: deliveries, queueId });
}

/** Milliseconds from now; 0: until it is resumed, null: it is not paused. No two clocks are compared. */
function pauseOf({ options }: Shared, { kind, until }: Operation): number | null {
  if (kind === "resume") return null;
  return until === 0 ? 0 : Math.round(until - options.clock.calendar()) || -1;
}
