import type { Engine } from "../../engine/engine.ts";
import type { Runtime } from "../../engine/runtime.ts";
import { countWaiters } from "../../engine/waiters.ts";
import type { Backend } from "../../queues/backend.ts";
import type { QueueSummary } from "../../queues/summary.ts";
import type { Histogram } from "../../util/histogram.ts";
import { awaitedNames } from "../awaited.ts";
import { countActivities } from "../connections.ts";
import { orWarn } from "../failure.ts";
import { unhealthyReason } from "../health.ts";
import { seriesOf } from "../history.ts";
import type { Monitor } from "../monitor.ts";
import { displayName } from "../queue_name.ts";
import { beginSlice, isSliceOver, nextSlice } from "../time_slice.ts";

/* What the page asks for, as JSON. The names of the fields are what the script in page.html reads. */

/** A queue in the table; one that is not there, but waited for, has no messages. */
interface QueueRow {
  name: string;
  sets: number;
  gets: number;
  messages: number;
  /** Of the bodies. */
  bytes: number;
  open: number;
  /** How long a message has been open at most, in milliseconds; 0 when none is. */
  openAge: number;
  waiters: number;
  /** When its oldest message was committed, in milliseconds since 1970; 0 when there is none. */
  oldest: number;
  /** The name for people. */
  shown: string;
}

/** The rows that match the filter, as far as they are listed. */
interface QueueTable {
  matching: number;
  rows: QueueRow[];
}

/** More queues than this are not listed: those with the most messages and waiting clients are. */
const MAX_LISTED = 1000;
/** How many of the oldest messages are shown, and how many bytes of each. */
const PREVIEW_LIMIT = { messages: 20, bytes: 4096 };
/** How many open messages of one queue are listed. */
const MAX_OPEN_LISTED = 50;

/**
 * Everything that the page shows, but for messages.
 * @param filter a part of the names to list, in any case; "" lists all
 * @param chosen the name of the queue whose history is shown
 */
export async function overview(
  monitor: Monitor,
  filter: string,
  chosen: string | undefined,
): Promise<object> {
  const { history, engine } = monitor;
  const queue = chosen === undefined ? undefined : engine.backend.summary(chosen);
  return {
    ...(await listQueues(monitor, filter.toLowerCase())),
    server: await describeServer(monitor),
    history: history.all,
    course: queue === undefined ? [] : seriesOf(history, queue),
    opened: chosen === undefined ? [] : listOpen(engine, chosen),
  };
}

/** The open messages of a queue, the longest open ones first: their clients, and how long they have been open, in milliseconds. */
function listOpen({ backend, runtime }: Engine, name: string): object[] {
  const now = runtime.monotonic();
  return backend
    .openMessages(name, MAX_OPEN_LISTED)
    .map(({ openedAt, ...message }) => ({ ...message, age: now - openedAt }));
}

/** The oldest messages of a queue; undefined when there is no such queue. @throws BackendError */
export function oldestMessages(backend: Backend, name: string): object[] | undefined {
  const previews = backend.previews(name, PREVIEW_LIMIT);
  return previews?.map((preview) => ({ ...preview, body: preview.body.toString("base64") }));
}

async function listQueues({ engine, slices }: Monitor, filter: string): Promise<object> {
  const { backend, runtime } = engine;
  const slice = beginSlice(slices);
  const table: QueueTable = { matching: 0, rows: [] };
  for (const summary of backend.summaries()) {
    const shown = displayName(summary.name);
    if (shown.toLowerCase().includes(filter)) {
      const oldest = orWarn(() => backend.oldestArrival(summary.name));
      const waiters = countWaiters(engine, summary.name);
      if (oldest !== undefined) addRow(table, rowOf(summary, shown, waiters, oldest, runtime));
    }
    if (isSliceOver(slice)) await nextSlice(slice);
  }
  for (const name of awaitedNames(engine)) {
    const shown = displayName(name);
    if (!shown.toLowerCase().includes(filter)) continue;
    addRow(table, absentRow(name, shown, countWaiters(engine, name)));
  }
  const { matching, rows } = table;
  return { total: backend.usage().queues, matching, queues: fullest(rows) };
}

function rowOf(
  queue: QueueSummary,
  shown: string,
  waiters: number,
  oldest: number,
  { monotonic }: Runtime,
): QueueRow {
  const { name, sets, gets, messages, bytes, open, openedAt } = queue;
  const openAge = openedAt === undefined ? 0 : monotonic() - openedAt;
  return { name, sets, gets, messages, bytes, open, openAge, waiters, oldest, shown };
}

function absentRow(name: string, shown: string, waiters: number): QueueRow {
  const none = { sets: 0, gets: 0, messages: 0, bytes: 0, open: 0, openAge: 0, oldest: 0 };
  return { name, ...none, waiters, shown };
}

/** Sorts out rows now and then, so that a million queues take no more memory than a few thousand. */
function addRow(table: QueueTable, row: QueueRow): void {
  table.matching++;
  table.rows.push(row);
  if (table.rows.length >= 2 * MAX_LISTED) table.rows = fullest(table.rows);
}

function fullest(rows: QueueRow[]): QueueRow[] {
  if (rows.length <= MAX_LISTED) return rows;
  const sorted = rows.toSorted((a, b) => b.messages + b.waiters - a.messages - a.waiters);
  return sorted.slice(0, MAX_LISTED);
}

async function describeServer(monitor: Monitor): Promise<object> {
  const { engine, options } = monitor;
  const { stats, backend, settings, runtime } = engine;
  const { bytes, cached } = backend.usage();
  return {
    version: settings.version,
    pid: process.pid,
    now: runtime.calendar(),
    startedAt: stats.startedAt,
    admin: options.httpAdmin,
    ailment: unhealthyReason(engine),
    connections: { ...(await countActivities(monitor)), most: options.connections },
    memory: { rss: process.memoryUsage().rss, budget: options.memory, messages: cached },
    bytes,
    store: describeDisk(monitor),
  };
}

function describeDisk({ engine, options }: Monitor): object {
  const { backend, stats } = engine;
  const { times } = stats.commits;
  const disk = orWarn(() => backend.disk());
  return {
    database: disk?.database,
    log: disk?.log,
    pageSize: disk?.pageSize,
    freePages: disk?.freePages,
    directory: options.home,
    checkpointed: disk?.checkpointed,
    synced: !options.noSync,
    commits: countIn(times),
    commitSeconds: times.sum,
    syncs: countIn(backend.syncs),
    syncSeconds: backend.syncs.sum,
  };
}

function countIn({ counts }: Histogram): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
