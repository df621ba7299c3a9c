import { NOTHING, release } from "../protocol/buffer.ts";
import type { Request } from "../protocol/request.ts";
import type { OperationKind } from "../queues/operation.ts";
import type { Engine, Entry, Group, Session } from "./engine.ts";

/** Records that a group keeps beyond its end. */
const MAX_KEPT = 4096;

export function newGroup(): Group {
  return { entries: [], count: 0, done: 0, bytes: 0, changes: 0, sought: new Set(), spent: [] };
}

/** Adds an operation for a request of the session. The caller fills in what the kind needs. */
export function addEntry(
  { gathering: group }: Engine,
  kind: OperationKind,
  session: Session,
  request: Request,
  weight: number,
): Entry {
  let entry = group.entries[group.count];
  if (entry === undefined) {
    entry = newEntry(session, request);
    group.entries.push(entry);
  } else {
    entry.session = session;
    entry.request = request;
  }
  group.count++;
  entry.kind = kind;
  entry.weight = weight;
  entry.last = true;
  entry.chained = false;
  entry.alternative = false;
  entry.offered = undefined;
  entry.outcome = "pending";
  session.load += weight;
  session.pending++;
  return entry;
}

/**
 * One literal, so that the engine keeps all fields in the object itself: each operation writes most of them. Made of what
 * newOperation returns, sets and gets took a tenth more.
 */
function newEntry(session: Session, request: Request): Entry {
  return {
    kind: "none",
    outcome: "pending",
    provisional: false,
    chained: false,
    alternative: false,
    offered: undefined,
    alone: false,
    last: true,
    weight: 0,
    flags: 0,
    number: 0,
    start: 0,
    end: 0,
    delay: 0,
    id: "",
    expires: 0,
    ttl: -1,
    source: "",
    sourceNumber: 0,
    target: "",
    lease: 0,
    deliveries: 0,
    inVain: false,
    scope: "available",
    dueIn: 0,
    broughtDeliveries: 0,
    queueId: 0,
    besides: 0,
    most: Infinity,
    until: 0,
    keyIndex: 0,
    queue: "",
    session,
    request,
    body: NOTHING,
    consumer: undefined,
    room: undefined,
    cursor: undefined,
    counts: undefined,
    summaries: undefined,
    details: undefined,
    error: "",
  };
}

/** Whether all operations of the group are done. */
export function isDone({ count, done }: Group): boolean {
  return done === count;
}

/** Empties the group, and drops its references to buffers and clients. */
export function clearGroup(group: Group): void {
  for (let i = group.count - 1; i >= 0; i--) {
    const entry = group.entries[i] as Entry;
    forget(entry);
    // The record of a client that is gone would keep all that is the client's.
    if (entry.session.phase === "closed") removeEntry(group, i);
  }
  if (group.entries.length > MAX_KEPT) group.entries.length = MAX_KEPT;
  group.count = 0;
  group.done = 0;
  group.bytes = 0;
  group.changes = 0;
  if (group.sought.size > 0) group.sought.clear();
  for (const buffer of group.spent) release(buffer);
  group.spent.length = 0;
}

function removeEntry({ entries }: Group, index: number): void {
  const last = entries.pop();
  if (last !== undefined && index < entries.length) entries[index] = last;
}

function forget(entry: Entry): void {
  if (entry.body !== NOTHING) entry.body = NOTHING;
  if (entry.consumer !== undefined) entry.consumer = undefined;
  if (entry.room !== undefined) entry.room = undefined;
  if (entry.cursor !== undefined) entry.cursor = undefined;
  if (entry.counts !== undefined) entry.counts = undefined;
  if (entry.summaries !== undefined) entry.summaries = undefined;
  if (entry.details !== undefined) entry.details = undefined;
}

/** Withdraws the session's operations of these kinds that are not executed yet. */
export function withdraw(group: Group, session: Session, kinds: ReadonlySet<OperationKind>): void {
  for (let i = group.done; i < group.count; i++) {
    const entry = group.entries[i] as Entry;
    if (entry.session !== session || entry.outcome !== "pending") continue;
    if (kinds.has(entry.kind)) entry.outcome = "skipped";
    // What stands behind it in the same request is done all the same.
    else entry.chained = false;
  }
}
