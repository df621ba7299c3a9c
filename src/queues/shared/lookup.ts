import { parentOf } from "../child.ts";
import type { Operation } from "../operation.ts";
import { findNames, makeNames } from "./find.ts";
import { connected } from "./grace.ts";
import { relatedTo } from "./planning.ts";
import { settingsFor, type Shared } from "./state.ts";

/** What is known of the queues of a group. */
export interface Found {
  ids: Map<string, number>;
  /** Why queues cannot be made. */
  errors: Map<string, string>;
  /** The number of the first operation that has to wait: it makes a queue that those before it must not see. */
  end: number;
}

/** Operations that see all queues. */
export const LISTING: ReadonlySet<string> = new Set(["list", "survey"]);
const TAKING: ReadonlySet<string> = new Set(["take", "open", "lease", "move"]);
/** Children of a queue. */
const MAX_CHILDREN = 64;

/**
 * The ids of the queues that the operations use; those that sets make are there then.
 * @param needed more queues that have to be there
 */
export async function lookUp(
  shared: Shared,
  operations: readonly Operation[],
  from: number,
  to: number,
  needed: ReadonlySet<string>,
  deadline: number,
): Promise<Found> {
  const wanted = new Set<string>();
  const made = new Set<string>(needed);
  const related = new Set<string>();
  const errors = new Map<string, string>();
  let isListed = false;
  let at = from;
  for (; at < to; at++) {
    const operation = operations[at] as Operation;
    const { kind, queue, source, target, outcome } = operation;
    if (outcome !== "pending") continue;
    if (LISTING.has(kind)) isListed = true;
    if (queue === "") continue;
    const makes = madeBy(shared, operation).filter((name) => !made.has(name));
    if (makes.some((name) => !shared.names.ids.has(name) && (isListed || wanted.has(name)))) break;
    for (const name of makes) made.add(name);
    if (!made.has(queue)) wanted.add(queue);
    if (source !== "") wanted.add(source);
    if (target !== "") related.add(target);
    for (const name of relatedTo(shared, operation)) related.add(name);
    if (!TAKING.has(kind) || !queue.includes("+")) continue;
    const error = await makeChild(shared, queue, deadline);
    if (error !== undefined) errors.set(queue, error);
  }
  const ids = await makeNames(shared, made, deadline);
  for (const [name, id] of await findNames(shared, wanted, deadline)) ids.set(name, id);
  for (const name of related) {
    const id = shared.names.ids.get(name);
    if (id !== undefined) ids.set(name, id);
  }
  return { ids, errors, end: at };
}

/** The queues that a set makes. One that closes a message makes its queue only when that is still held. */
function madeBy(shared: Shared, operation: Operation): string[] {
  const { kind, source, queue } = operation;
  if (kind !== "put" || source !== "" || !isStorable(shared, operation)) return [];
  return [queue, ...settingsFor(shared, queue).copyTo];
}

/** Whether the message fits into an empty queue: otherwise none is made for it. */
function isStorable(shared: Shared, { queue, start, end }: Operation): boolean {
  const { limits } = shared.options;
  const { maxBytes } = settingsFor(shared, queue);
  return end - start <= maxBytes && shared.usage.bytes + end - start <= limits.bytes;
}

/**
 * A client asks for a message of a queue that may be a child: it is made, and gets copies from now on.
 * @returns why it cannot be made
 */
async function makeChild(
  shared: Shared,
  name: string,
  deadline: number,
): Promise<string | undefined> {
  const parent = parentOf(name);
  if (parent === undefined || shared.names.ids.has(name)) return undefined;
  if (!shared.options.fanout) {
    if (!shared.isFanoutTold) {
      shared.options.warn(
        `a client gets from ${name}: without --fanout that is a queue like any other, and nothing that is set to ${parent} arrives there`,
      );
    }
    shared.isFanoutTold = true;
    return undefined;
  }
  const link = await connected(shared, deadline);
  const prefix = Buffer.from(`${parent}+`, "latin1");
  const end = Buffer.from(`${parent},`, "latin1");
  const [found] = await link.turns.unsafe<{ count: number }[]>(
    "select count(*)::int as count from memcacheq.queue where name > $1 and name < $2",
    [prefix, end],
  );
  const known = await findNames(shared, new Set([name]), deadline);
  if (known.size > 0) return undefined;
  if ((found?.count ?? 0) >= MAX_CHILDREN) return `${parent} has ${MAX_CHILDREN} children already`;
  await makeNames(shared, new Set([name]), deadline);
  return undefined;
}
