import { type Account, maySee } from "../engine/access/account.ts";
import type { Engine } from "../engine/engine.ts";
import { pauseLeft } from "../engine/pause.ts";
import type { Stats } from "../engine/stats.ts";
import { countWaiters } from "../engine/waiters.ts";
import type { QueueSummary } from "../queues/summary.ts";
import { awaitedNames } from "./awaited.ts";
import { countActivities, countNames } from "./connections.ts";
import {
  escapeLabel,
  heading,
  histogram,
  metric,
  type MetricKind,
  type Sample,
} from "./exposition.ts";
import { orWarn } from "./failure.ts";
import type { Monitor } from "./monitor.ts";
import { displayName } from "./queue_name.ts";
import { beginSlice, isSliceOver, nextSlice, type SliceScheduler } from "./time_slice.ts";

/** Characters that are sent together. */
const PIECE = 16 * 1024;

/** A metric that each queue has. */
interface QueueMetric {
  name: string;
  kind: MetricKind;
  help: string;
  /** @param now milliseconds since 1970. @returns undefined when the queue is left out */
  value: (queue: QueueSummary, engine: Engine, now: number) => number | undefined;
}

const QUEUE_METRICS: readonly QueueMetric[] = [
  {
    name: "memcacheq_queue_messages",
    kind: "gauge",
    help: "Messages in the queue, also those that are open or delayed.",
    value: ({ messages }) => messages,
  },
  {
    name: "memcacheq_queue_bytes",
    kind: "gauge",
    help: "Bytes of the bodies of these messages.",
    value: ({ bytes }) => bytes,
  },
  {
    name: "memcacheq_queue_sets_total",
    kind: "counter",
    help: "Messages ever set.",
    value: ({ sets }) => sets,
  },
  {
    name: "memcacheq_queue_gets_total",
    kind: "counter",
    help: "Messages that are gone for good: taken, closed or flushed.",
    value: ({ gets }) => gets,
  },
  {
    name: "memcacheq_queue_paused",
    kind: "gauge",
    help: "1 while the queue is paused, and delivers nothing.",
    value: ({ paused }, { runtime }) => (pauseLeft({ runtime }, paused) === 0 ? 0 : 1),
  },
  {
    name: "memcacheq_queue_dropped_total",
    kind: "counter",
    help: "Messages that were dropped to make room for newer ones, since the start.",
    value: ({ dropped }) => dropped,
  },
  {
    name: "memcacheq_queue_dropped_total",
    kind: "counter",
    help: "Messages that went at a limit, because of drop-oldest.",
    value: ({ dropped }) => dropped,
  },
  {
    name: "memcacheq_queue_open",
    kind: "gauge",
    help: "Messages that a consumer has open.",
    value: ({ open }) => open,
  },
  {
    name: "memcacheq_queue_open_age_seconds",
    kind: "gauge",
    help: "How long a message has been open at most; 0 when none is.",
    value: ({ openedAt }, { runtime }) =>
      openedAt === undefined ? 0 : (runtime.monotonic() - openedAt) / 1000,
  },
  {
    name: "memcacheq_queue_delayed",
    kind: "gauge",
    help: "Messages that wait for their time.",
    value: ({ delayed }) => delayed,
  },
  {
    name: "memcacheq_queue_oldest_age_seconds",
    kind: "gauge",
    help: "How long the oldest message has been in the queue; 0 when it is empty.",
    value: ({ name }, { backend }, now) => {
      const oldest = orWarn(() => backend.oldestArrival(name));
      if (oldest === undefined) return undefined;
      return oldest === 0 ? 0 : Math.max(0, now - oldest) / 1000;
    },
  },
];

/** All metrics, in pieces. With many queues there are pauses between them. @throws BackendError when the disk cannot be looked at */
export async function* metrics(
  monitor: Monitor,
  account: Account | undefined,
): AsyncGenerator<string> {
  const { engine, slices } = monitor;
  yield serverMetrics(monitor);
  yield await connectionMetrics(monitor);
  for (const { name, kind, help, value } of QUEUE_METRICS) {
    const lines = queueLines(engine, account, name, value);
    yield* inPieces(slices, heading(name, kind, help), lines);
  }
  const waiters = "memcacheq_queue_waiters";
  const title = heading(waiters, "gauge", "Clients that wait for a message.");
  yield* inPieces(slices, title, waiterLines(engine, account, waiters));
}

function serverMetrics(monitor: Monitor): string {
  return [
    ...processMetrics(monitor),
    ...trafficMetrics(monitor),
    ...commitMetrics(monitor),
    ...storageMetrics(monitor),
    ...memoryMetrics(monitor),
  ].join("");
}

function processMetrics({ engine: { stats, settings } }: Monitor): string[] {
  const { rss } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const cpuSeconds = (user + system) / 1e6;
  return [
    metric("memcacheq_build_info", "gauge", "Which release this is.", [
      [{ version: settings.version }, 1],
    ]),
    gauge(
      "process_start_time_seconds",
      "When it started, in seconds since 1970.",
      stats.startDate / 1000,
    ),
    counter("process_cpu_seconds_total", "Processor time used.", cpuSeconds),
    gauge("process_resident_memory_bytes", "Memory that the process takes.", rss),
  ];
}

function trafficMetrics({ engine: { stats }, clients, options }: Monitor): string[] {
  const { totalConnections, bytesRead, bytesWritten } = stats;
  return [
    counter("memcacheq_connections_total", "Connections ever accepted.", totalConnections),
    gauge("memcacheq_connections_limit", "Connections that -c allows.", options.connections),
    counter(
      "memcacheq_evicted_clients_total",
      "Clients disconnected because they stalled while memory was short.",
      clients.evicted,
    ),
    metric("memcacheq_commands_total", "counter", "Commands by kind and result.", commands(stats)),
    counter("memcacheq_read_bytes_total", "Bytes read from clients.", bytesRead),
    counter("memcacheq_written_bytes_total", "Bytes written to clients.", bytesWritten),
  ];
}

/** Each kind of command with its results. */
function commands({ counters, setHits, getHits }: Stats): Sample[] {
  const { setsNotStored, setsFailed, getsFailed, getsMissed, others } = counters;
  const { deleteHits, deleteMisses, closeHits, closeMisses } = counters;
  const { error: refused = 0, "error set": setsRefused = 0, ...rest } = others;
  const of = (command: string, result: string, value: number): Sample => [
    { command, result },
    value,
  ];
  return [
    of("set", "stored", setHits),
    of("set", "not_stored", setsNotStored),
    of("set", "refused", setsRefused),
    of("set", "failed", setsFailed),
    of("get", "hit", getHits),
    of("get", "miss", getsMissed),
    of("get", "failed", getsFailed),
    of("delete", "deleted", deleteHits),
    of("delete", "not_found", deleteMisses),
    of("close", "closed", closeHits),
    of("close", "nothing_open", closeMisses),
    of("other", "refused", refused),
    ...Object.entries(rest).map(([kind, count]) => of(kind, "done", count)),
  ];
}

function commitMetrics({ engine, loopDelays }: Monitor): string[] {
  const { times, sizes } = engine.stats.commits;
  const { syncs } = engine.backend;
  return [
    histogram("memcacheq_commit_seconds", "How long commits took.", times),
    histogram("memcacheq_commit_messages", "Messages set and taken in one commit.", sizes),
    histogram("memcacheq_sync_seconds", "How long commits waited for the disk.", syncs),
    histogram("memcacheq_event_loop_delay_seconds", "How late the event loop was.", loopDelays),
  ];
}

function storageMetrics({ engine: { backend } }: Monitor): string[] {
  const { database, log, pageSize, freePages, available } = backend.disk();
  const { queues, lost } = backend.usage();
  const free = "Space in the database file that is free.";
  const pages = "Pages of the database file that are free.";
  return [
    gauge("memcacheq_queues", "Queues.", queues),
    counter(
      "memcacheq_lost_messages_total",
      "Messages that could not be read and were skipped.",
      lost,
    ),
    gauge("memcacheq_database_bytes", "Size of the database file.", database),
    gauge("memcacheq_database_free_bytes", free, freePages * pageSize),
    gauge("memcacheq_database_free_pages", pages, freePages),
    gauge("memcacheq_log_bytes", "Size of the database's write-ahead log.", log),
    gauge("memcacheq_disk_available_bytes", "What the file system of -H has left.", available),
  ];
}

function memoryMetrics({ engine: { backend }, options }: Monitor): string[] {
  const { cached, cacheLimit } = backend.usage();
  const limit = "The part of the budget that messages may take.";
  return [
    gauge("memcacheq_memory_limit_bytes", "The memory budget, -m.", options.memory),
    gauge("memcacheq_memory_messages_bytes", "Memory that messages take.", cached),
    gauge("memcacheq_memory_messages_limit_bytes", limit, cacheLimit),
  ];
}

async function connectionMetrics(monitor: Monitor): Promise<string> {
  const counts = Object.entries(await countActivities(monitor));
  const samples = counts.map(([state, count]): Sample => [{ state }, count]);
  return [
    metric("memcacheq_connections", "gauge", "Connections by what they do.", samples),
    ...(await accountMetrics(monitor)),
  ].join("");
}

/** Connections by what they have authenticated as, and failures to; nothing where no account is needed. */
async function accountMetrics(monitor: Monitor): Promise<string[]> {
  const { access } = monitor.engine;
  if (access === undefined) return [];
  const counts = await countNames(monitor);
  const samples = [...counts].map(([name, count]): Sample => [{ name: displayName(name) }, count]);
  const help = 'Connections by the name they have authenticated with, "" before that.';
  return [
    metric("memcacheq_connections_by_name", "gauge", help, samples),
    counter(
      "memcacheq_failed_authentications_total",
      "Attempts to authenticate with a wrong name or password.",
      access.failures,
    ),
  ];
}

function* queueLines(
  engine: Engine,
  account: Account | undefined,
  name: string,
  valueOf: QueueMetric["value"],
): Generator<string> {
  const now = engine.runtime.calendar();
  for (const queue of engine.backend.summaries()) {
    const value = maySee(account, queue.name) ? valueOf(queue, engine, now) : undefined;
    yield value === undefined ? "" : queueLine(name, queue.name, value);
  }
}

/** Clients may also wait for a queue that is not there yet. */
function* waiterLines(
  engine: Engine,
  account: Account | undefined,
  metric: string,
): Generator<string> {
  const lineOf = (name: string) =>
    maySee(account, name) ? queueLine(metric, name, countWaiters(engine, name)) : "";
  for (const { name } of engine.backend.summaries()) yield lineOf(name);
  for (const name of awaitedNames(engine)) yield lineOf(name);
}

/** Written without a record of labels: there may be a million lines. */
function queueLine(metric: string, queue: string, value: number): string {
  return `${metric}{queue="${escapeLabel(displayName(queue))}"} ${value}\n`;
}

/** Lines in pieces that are sent together, with pauses. */
async function* inPieces(
  slices: SliceScheduler,
  title: string,
  lines: Iterable<string>,
): AsyncGenerator<string> {
  const slice = beginSlice(slices);
  let text = title;
  for (const line of lines) {
    text += line;
    if (text.length >= PIECE) {
      yield text;
      text = "";
    }
    if (isSliceOver(slice)) await nextSlice(slice);
  }
  yield text;
}

function counter(name: string, help: string, value: number): string {
  return metric(name, "counter", help, [[{}, value]]);
}

function gauge(name: string, help: string, value: number): string {
  return metric(name, "gauge", help, [[{}, value]]);
}
