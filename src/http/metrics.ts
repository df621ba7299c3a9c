import type { Account } from "../engine/access/account.ts";
import type { Stats } from "../engine/stats.ts";
import { BackendError, type DiskUsage, type Measure } from "../queues/backend.ts";
import { warn } from "../util/log.ts";
import { countActivities, countNames, countTls } from "./connections.ts";
import { counter, gauge, histogram, metric, type Sample } from "./exposition.ts";
import type { Monitor } from "./monitor.ts";
import { queueMetrics } from "./queue_metrics.ts";
import { displayName } from "./queue_name.ts";

/** All metrics, in pieces. With many queues there are pauses between them. @throws BackendError when the disk cannot be looked at */
export async function* metrics(
  monitor: Monitor,
  account: Account | undefined,
  signal: AbortSignal,
): AsyncGenerator<string> {
  yield serverMetrics(monitor);
  yield await connectionMetrics(monitor, signal);
  try {
    yield* queueMetrics(monitor, account, signal);
  } catch (error) {
    // Those of the server tell why there are none of the queues.
    if (!(error instanceof BackendError)) throw error;
    warn(error.message);
  }
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
  const { queues, lost } = backend.usage();
  return [
    gauge("memcacheq_queues", "Queues.", queues),
    counter(
      "memcacheq_lost_messages_total",
      "Messages that could not be read and were skipped.",
      lost,
    ),
    ...diskMetrics(backend.disk()),
    ...backend.measures().map(measureMetric),
  ];
}

/** Nothing when the messages are not on a disk of this machine. */
function diskMetrics(disk: DiskUsage | undefined): string[] {
  if (disk === undefined) return [];
  const { database, log, pageSize, freePages, available } = disk;
  const free = "Space in the database file that is free.";
  const pages = "Pages of the database file that are free.";
  return [
    gauge("memcacheq_database_bytes", "Size of the database file.", database),
    gauge("memcacheq_database_free_bytes", free, freePages * pageSize),
    gauge("memcacheq_database_free_pages", pages, freePages),
    gauge("memcacheq_log_bytes", "Size of the database's write-ahead log.", log),
    gauge("memcacheq_disk_available_bytes", "What the file system of -H has left.", available),
  ];
}

function measureMetric(measure: Measure): string {
  const { name, help } = measure;
  if (measure.kind === "histogram") return histogram(name, help, measure.value);
  return measure.kind === "counter"
    ? counter(name, help, measure.value)
    : gauge(name, help, measure.value);
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

async function connectionMetrics(monitor: Monitor, signal: AbortSignal): Promise<string> {
  const counts = Object.entries(await countActivities(monitor, signal));
  const samples = counts.map(([state, count]): Sample => [{ state }, count]);
  return [
    metric("memcacheq_connections", "gauge", "Connections by what they do.", samples),
    ...(await tlsMetrics(monitor, signal)),
    ...(await accountMetrics(monitor, signal)),
  ].join("");
}

async function tlsMetrics(monitor: Monitor, signal: AbortSignal): Promise<string[]> {
  const { tls } = monitor.clients;
  const counts = Object.entries(await countTls(monitor, signal));
  const samples = counts.map(([name, count]): Sample => [{ tls: name }, count]);
  const byTls = metric("memcacheq_connections_by_tls", "gauge", "Connections by TLS.", samples);
  if (tls === undefined) return [byTls];
  const failed = "TLS handshakes that failed or were not finished.";
  const end = "When the certificate that new clients are shown ends, in seconds since 1970.";
  return [
    byTls,
    counter("memcacheq_failed_handshakes_total", failed, tls.failures),
    gauge("memcacheq_certificate_end_time_seconds", end, tls.subject.validTo.getTime() / 1000),
  ];
}

/** Connections by what they have authenticated as, and failures to; nothing where no account is needed. */
async function accountMetrics(monitor: Monitor, signal: AbortSignal): Promise<string[]> {
  const { access } = monitor.engine;
  if (access === undefined) return [];
  const counts = await countNames(monitor, signal);
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
