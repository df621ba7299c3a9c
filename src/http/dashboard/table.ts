import { type Account, maySee } from "../../engine/access/account.ts";
import type { Engine } from "../../engine/engine.ts";
import { pauseLeft } from "../../engine/pause.ts";
import { countWaiters } from "../../engine/waiters.ts";
import type { QueueSummary } from "../../queues/summary.ts";
import { absentNames, beginAwaited, noteThere } from "../awaited.ts";
import { orWarn } from "../failure.ts";
import type { Monitor } from "../monitor.ts";
import { displayName } from "../queue_name.ts";
import { rateOf } from "../rates.ts";
import { beginSlice, isSliceOver, nextSlice } from "../time_slice.ts";

/** A queue in the table; one that is not there, but waited for, has no messages. The script of the page reads these names. */
export interface QueueRow {
  /** A byte of the name is a character from U+0000 to U+00FF. */
  name: string;
  /** The name for people. */
  shown: string;
  /** False for one that is only waited for. */
  exists: boolean;
  messages: number;
  /** Messages a second; undefined until they are known. */
  in: number | undefined;
  out: number | undefined;
  /** Of its oldest message, in milliseconds; 0 when there is none. */
  age: number;
  waiters: number;
  open: number;
  /** How long a message has been open at most, in milliseconds; 0 when none is. */
  openAge: number;
  /** Milliseconds that are left of its pause; -1 until it is resumed, 0 when it is not paused. */
  paused: number;
  /** What became of messages that no client got, by the words for it, as far as there is any: since the start. */
  lost: Record<string, number>;
  /** Its messages that are leased or wait for their time, and what happened to others by that, in the same way. */
  delivery: Record<string, number>;
  /** Of the bodies. */
  bytes: number;
  sets: number;
  gets: number;
}

/** The rows that match the filter, as far as they are listed. */
export interface QueueTable {
  /** All queues that may be seen, whether they match or not, and the messages in them. */
  total: number;
  messages: number;
  /** Queues that match, and names that match and are only waited for. */
  matching: number;
  awaited: number;
  /** As many of them as were asked for, in that order. */
  queues: QueueRow[];
}

const COLUMNS = ["shown", "messages", "in", "out", "age", "waiters", "open", "bytes"] as const;

/** What the page asks for: a part of the names, in any case; a column to sort by; how many rows, and how many are before them. */
export interface TableQuery {
  filter: string;
  sort: (typeof COLUMNS)[number];
  descending: boolean;
  limit: number;
  from: number;
}

/** No more rows than this are listed at once, and none behind the first so many. */
const MAX_ROWS = 1000;
const MAX_SORTED = 5000;
/** Characters of all rows, as they are sent. */
const MAX_BYTES = 1024 * 1024;

/** @returns a text that says what is accepted, when something else was asked for */
export function readTableQuery(parameters: URLSearchParams): TableQuery | string {
  const asked = parameters.get("sort") ?? "messages";
  const sort = COLUMNS.find((column) => column === asked);
  if (sort === undefined) return `sort is one of ${COLUMNS.join(", ")}`;
  const order = parameters.get("order") ?? "descending";
  if (order !== "ascending" && order !== "descending") {
    return "order is ascending or descending";
  }
  const limit = Number(parameters.get("limit") ?? MAX_ROWS);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_ROWS) {
    return `limit is a number from 1 to ${MAX_ROWS}`;
  }
  const from = Number(parameters.get("from") ?? 0);
  if (!Number.isInteger(from) || from < 0 || from + limit > MAX_SORTED) {
    return `from is a number from 0 on, and with limit ${MAX_SORTED} at most`;
  }
  const filter = (parameters.get("filter") ?? "").toLowerCase();
  return { filter, sort, descending: order === "descending", limit, from };
}

/** The first rows of all queues that match and may be seen, and of the names that match and are only waited for. */
export async function listQueues(
  monitor: Monitor,
  account: Account | undefined,
  query: TableQuery,
  signal: AbortSignal,
): Promise<QueueTable> {
  const { engine, work } = monitor;
  const slice = beginSlice(work.slices, signal);
  const table: QueueTable = { total: 0, messages: 0, matching: 0, awaited: 0, queues: [] };
  const { filter } = query;
  const awaited = beginAwaited(engine);
  for await (const portion of engine.backend.summaries()) {
    for (const summary of portion) {
      if (isSliceOver(slice)) await nextSlice(slice);
      noteThere(awaited, summary);
      if (!maySee(account, summary.name)) continue;
      table.total++;
      table.messages += summary.messages;
      const shown = displayName(summary.name);
      if (!shown.toLowerCase().includes(filter)) continue;
      const oldest = summary.arrived ?? (await readArrival(engine, summary));
      addRow(table, rowOf(monitor, summary, shown, oldest), query);
    }
  }
  for (const name of absentNames(awaited)) {
    const shown = displayName(name);
    if (!maySee(account, name) || !shown.toLowerCase().includes(filter)) continue;
    table.awaited++;
    addRow(table, absentRow(monitor, name, shown), query);
  }
  keepFirst(table, query);
  table.queues = table.queues.slice(query.from);
  keepBytes(table);
  return table;
}

/** One row; undefined when there is no such queue, and no client waits for it. */
export async function findRow(monitor: Monitor, name: string): Promise<QueueRow | undefined> {
  const { engine } = monitor;
  const summary = await engine.backend.summary(name);
  const shown = displayName(name);
  if (summary === undefined) {
    return countWaiters(engine, name) === 0 ? undefined : absentRow(monitor, name, shown);
  }
  const oldest = summary.arrived ?? (await readArrival(engine, summary));
  return rowOf(monitor, summary, shown, oldest);
}

/** 0 when it is not known. */
async function readArrival({ backend }: Engine, { name }: QueueSummary): Promise<number> {
  return (await orWarn(() => backend.oldestArrival(name))) ?? 0;
}

/** @param oldest when its oldest message was committed, in milliseconds since 1970; 0 when there is none */
function rowOf(
  { engine, history }: Monitor,
  queue: QueueSummary,
  shown: string,
  oldest: number,
): QueueRow {
  const { name, sets, gets, messages, bytes, open, openedAt } = queue;
  const openAge = openedAt === undefined ? 0 : engine.runtime.monotonic() - openedAt;
  const age = oldest === 0 ? 0 : Math.max(1, engine.runtime.calendar() - oldest);
  const waiters = countWaiters(engine, name);
  const perSecond = rateOf(history.rates, queue);
  return {
    name,
    shown,
    exists: true,
    messages,
    ...perSecond,
    age,
    waiters,
    open,
    openAge,
    paused: pauseLeft(engine, queue.paused),
    lost: lostIn(queue),
    delivery: deliveryIn(queue),
    bytes,
    sets,
    gets,
  };
}

function lostIn({ dropped, expired, duplicates, missed }: QueueSummary): Record<string, number> {
  return counted({ dropped, expired, duplicates, "missed copies": missed });
}

function deliveryIn({ leased, delayed, redelivered, dead }: QueueSummary): Record<string, number> {
  return counted({ leased, delayed, redelivered, "dead letters, ever": dead });
}

/** Without what is 0. */
function counted(all: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(all).filter(([, n]) => n > 0));
}

function absentRow({ engine }: Monitor, name: string, shown: string): QueueRow {
  const waiters = countWaiters(engine, name);
  const none = {
    messages: 0,
    in: 0,
    out: 0,
    age: 0,
    open: 0,
    openAge: 0,
    paused: 0,
    lost: {},
    delivery: {},
    bytes: 0,
    sets: 0,
    gets: 0,
  };
  return { name, shown, exists: false, ...none, waiters };
}

/** Drops rows now and then, so that a million queues take no more memory than a few thousand. */
function addRow(table: QueueTable, row: QueueRow, query: TableQuery): void {
  table.matching++;
  table.queues.push(row);
  if (table.queues.length >= 2 * MAX_SORTED) keepFirst(table, query);
}

function keepFirst(table: QueueTable, query: TableQuery): void {
  table.queues = table.queues
    .sort((a, b) => compare(a, b, query))
    .slice(0, query.from + query.limit);
}

/** Drops the last rows where the names are so long that all would be too many bytes. */
function keepBytes(table: QueueTable): void {
  let bytes = 0;
  const end = table.queues.findIndex((row) => (bytes += JSON.stringify(row).length) > MAX_BYTES);
  if (end >= 0) table.queues.length = end;
}

/** Rows that are equal are in the order of their names, whichever way the column is sorted. */
function compare(a: QueueRow, b: QueueRow, { sort, descending }: TableQuery): number {
  const [x, y] = [a[sort] ?? -1, b[sort] ?? -1];
  const ascending = x < y ? -1 : x > y ? 1 : 0;
  if (ascending !== 0) return descending ? -ascending : ascending;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
