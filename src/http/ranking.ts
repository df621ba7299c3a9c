import { type Account, maySee } from "../engine/access/account.ts";
import { absentNames, beginAwaited, noteThere } from "./awaited.ts";
import { escapeLabel } from "./exposition.ts";
import type { Monitor } from "./monitor.ts";
import { displayName } from "./queue_name.ts";
import { beginSlice, isSliceOver, nextSlice } from "./time_slice.ts";

/** The queues that are told of by name, and all of them together. */
export interface Ranking {
  /** In the order in which the queues were made. */
  names: string[];
  totals: Totals;
  /** The names that clients wait for although there is no such queue. */
  absent: string[];
}

/** Of all queues. */
export interface Totals {
  messages: number;
  bytes: number;
  open: number;
  sets: number;
  gets: number;
}

/** A queue that may be among the first. */
interface Candidate {
  id: number;
  name: string;
  value: number;
}

/** The candidates with the highest values, and some more. */
interface Best {
  most: number;
  candidates: Candidate[];
  /** A candidate that is not above this is not among the first. */
  floor: number;
}

/** How much may be told of. */
export interface Room {
  /** Queues. */
  most: number;
  /** Bytes of their names, as labels, and of `bytesEach` for each of them. */
  mostBytes: number;
  bytesEach: number;
}

/**
 * Chooses the deepest queues, and as many of those whose oldest message is the oldest; all where there are not so many.
 * @param account decides which queues count; undefined: all do
 * @throws the signal's reason when the client has left
 */
export async function rankQueues(
  { engine, work }: Monitor,
  account: Account | undefined,
  { most, mostBytes, bytesEach }: Room,
  signal: AbortSignal,
): Promise<Ranking> {
  const slice = beginSlice(work.slices, signal);
  const totals: Totals = { messages: 0, bytes: 0, open: 0, sets: 0, gets: 0 };
  const deepest: Best = { most, candidates: [], floor: -1 };
  const oldest: Best = { most, candidates: [], floor: -Infinity };
  const awaited = beginAwaited(engine);
  for await (const portion of engine.backend.summaries()) {
    for (const summary of portion) {
      if (isSliceOver(slice)) await nextSlice(slice);
      noteThere(awaited, summary);
      const { id, name, messages, bytes, open, sets, gets, arrived } = summary;
      if (!maySee(account, name)) continue;
      totals.messages += messages;
      totals.bytes += bytes;
      totals.open += open;
      totals.sets += sets;
      totals.gets += gets;
      consider(deepest, id, name, messages);
      if (arrived !== undefined && arrived > 0) consider(oldest, id, name, -arrived);
    }
  }
  const chosen = new Map<string, number>();
  let room = mostBytes;
  for (const { id, name } of alternating(first(deepest), first(oldest))) {
    if (chosen.size === most) break;
    if (chosen.has(name)) continue;
    room -= bytesEach + Buffer.byteLength(escapeLabel(displayName(name)));
    if (room < 0) break;
    chosen.set(name, id);
    if (isSliceOver(slice)) await nextSlice(slice);
  }
  const inOrder = [...chosen].sort(([, a], [, b]) => a - b);
  const absent = [...absentNames(awaited)];
  return { names: inOrder.map(([name]) => name), totals, absent };
}

function consider(best: Best, id: number, name: string, value: number): void {
  const { candidates, most } = best;
  if (value <= best.floor) return;
  candidates.push({ id, name, value });
  if (candidates.length < 2 * most) return;
  best.candidates = first(best);
  best.floor = best.candidates.at(-1)?.value ?? best.floor;
}

/** Of equal ones the older queues are first. */
function first({ candidates, most }: Best): Candidate[] {
  return candidates.toSorted((a, b) => b.value - a.value || a.id - b.id).slice(0, most);
}

function* alternating<T>(a: readonly T[], b: readonly T[]): Generator<T> {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [x, y] = [a[i], b[i]];
    if (x !== undefined) yield x;
    if (y !== undefined) yield y;
  }
}
