import { orWarn, type Server } from "../engine/server.ts";
import { countWaiters } from "../engine/waiters.ts";
import { countsOf } from "../queues/local/details.ts";
import { absentNames, oldestArrival } from "../queues/local/overview.ts";
import { countMessages, type Queue } from "../queues/local/queue.ts";
import type { Histogram } from "../util/histogram.ts";
import { version } from "../util/version.ts";
import { shownName } from "./name.ts";
import { isSliceOver, newPace, pause } from "./pace.ts";
import { countStates } from "./states.ts";

/** https://prometheus.io/docs/instrumenting/exposition_formats/ */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Characters that are sent together. */
const PIECE = 16 * 1024;

type Kind = "counter" | "gauge" | "histogram";
type Labels = Record<string, string>;
type Sample = [labels: Labels, value: number];

/** What is told of each queue; undefined says nothing of it. */
interface QueueFamily {
  name: string;
  kind: Kind;
  help: string;
  value: (server: Server, queue: Queue, now: number) => number | undefined;
}

const queueFamilies: QueueFamily[] = [
  {
    name: "messages",
    kind: "gauge",
    help: "Messages in the queue, open ones too.",
    value: (_, queue) => countMessages(queue),
  },
  {
    name: "bytes",
    kind: "gauge",
    help: "Bytes of the bodies of these messages.",
    value: (_, { bytes }) => bytes,
  },
  {
    name: "sets_total",
    kind: "counter",
    help: "Messages ever set.",
    value: (_, queue) => countsOf(queue).sets,
  },
  {
    name: "gets_total",
    kind: "counter",
    help: "Messages that are gone for good: taken, closed or flushed.",
    value: (_, queue) => countsOf(queue).gets,
  },
  {
    name: "open",
    kind: "gauge",
    help: "Messages that a consumer has open.",
    value: (_, { open }) => open.size,
  },
  {
    name: "oldest_age_seconds",
    kind: "gauge",
    help: "How long the oldest message has been in the queue; 0 when it is empty.",
    value: ({ store }, queue, now) => {
      const oldest = orWarn(() => oldestArrival(store, queue));
      if (oldest === undefined) return undefined;
      return oldest === 0 ? 0 : Math.max(0, now - oldest) / 1000;
    },
  },
];

/** All metrics, in pieces. With many queues there are rests in between. @throws StoreError when the store cannot be looked at */
export async function* metrics(server: Server, loopDelays: Histogram): AsyncGenerator<string> {
  yield processMetrics(server, loopDelays);
  yield* connectionMetrics(server);
  for (const family of queueFamilies) yield* queueMetrics(server, family);
  yield* waiterMetrics(server);
}

function processMetrics(server: Server, loopDelays: Histogram): string {
  const { stats, store, broker, options } = server;
  const { database, log, pageSize, freePages } = store.extent();
  const { rss } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const { commits } = stats;
  return [
    family("build_info", "gauge", "Which release this is.", [[{ version }, 1]]),
    family(
      "process_start_time_seconds",
      "gauge",
      "When it started, in seconds since 1970.",
      [[{}, stats.startedAt / 1000]],
      "",
    ),
    family(
      "process_cpu_seconds_total",
      "counter",
      "Processor time used.",
      [[{}, (user + system) / 1e6]],
      "",
    ),
    family(
      "process_resident_memory_bytes",
      "gauge",
      "Memory that the process takes.",
      [[{}, rss]],
      "",
    ),
    family("connections_total", "counter", "Connections ever accepted.", [
      [{}, stats.totalConnections],
    ]),
    family("connections_limit", "gauge", "Connections that -c allows.", [
      [{}, options.connections],
    ]),
    family("commands_total", "counter", "Commands by kind and result.", commands(server)),
    family("read_bytes_total", "counter", "Bytes read from clients.", [[{}, stats.bytesRead]]),
    family("written_bytes_total", "counter", "Bytes written to clients.", [
      [{}, stats.bytesWritten],
    ]),
    histogram("commit_seconds", "How long commits took.", commits.times),
    histogram("commit_messages", "Messages set and taken in one commit.", commits.sizes),
    histogram("sync_seconds", "How long commits waited for the disk.", store.syncs),
    histogram("event_loop_delay_seconds", "How late the event loop was.", loopDelays),
    family("queues", "gauge", "Queues.", [[{}, broker.queues.size]]),
    family("database_bytes", "gauge", "Size of the database file.", [[{}, database]]),
    family("database_free_bytes", "gauge", "Space in the database file that is free.", [
      [{}, freePages * pageSize],
    ]),
    family("database_free_pages", "gauge", "Pages of the database file that are free.", [
      [{}, freePages],
    ]),
    family("log_bytes", "gauge", "Size of the database's write-ahead log.", [[{}, log]]),
    family("memory_limit_bytes", "gauge", "The memory budget, -m.", [[{}, options.memory]]),
    family("memory_messages_bytes", "gauge", "Memory that messages take.", [
      [{}, broker.memory.used],
    ]),
    family(
      "memory_messages_limit_bytes",
      "gauge",
      "The part of the budget that messages may take.",
      [[{}, broker.memory.limit]],
    ),
  ].join("");
}

/** Each kind of command with what became of it. */
function commands({ stats }: Server): Sample[] {
  const { counters, setHits, getHits } = stats;
  const { setsNotStored, setsFailed, getsFailed, getsMissed, deleteHits, others } = counters;
  const { delete: deletes = 0, refused = 0, "refused set": setsRefused = 0, ...rest } = others;
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
    of("delete", "not_found", deletes - deleteHits),
    of("other", "refused", refused),
    ...Object.entries(rest).map(([kind, count]) => of(kind, "done", count)),
  ];
}

async function* connectionMetrics(server: Server): AsyncGenerator<string> {
  const samples = Object.entries(await countStates(server)).map(([state, count]): Sample => [
    { state },
    count,
  ]);
  yield family("connections", "gauge", "Connections by what they do.", samples);
}

async function* queueMetrics(server: Server, family: QueueFamily): AsyncGenerator<string> {
  const name = `memcacheq_queue_${family.name}`;
  const pace = newPace();
  const now = Date.now();
  let text = heading(name, family.kind, family.help);
  for (const queue of server.broker.queues.values()) {
    const value = family.value(server, queue, now);
    if (value !== undefined) text += `${name}{queue="${label(queue.name)}"} ${value}\n`;
    if (text.length >= PIECE) {
      yield text;
      text = "";
    }
    if (isSliceOver(pace)) await pause(pace);
  }
  yield text;
}

/** Somebody may wait for a queue that is not there yet. */
async function* waiterMetrics({ broker }: Server): AsyncGenerator<string> {
  const name = "memcacheq_queue_waiters";
  const pace = newPace();
  let text = heading(name, "gauge", "Clients that wait for a message.");
  const names = [broker.queues.keys(), absentNames(broker)];
  for (const some of names) {
    for (const queue of some) {
      text += `${name}{queue="${label(queue)}"} ${countWaiters(broker.waiters, queue)}\n`;
      if (text.length >= PIECE) {
        yield text;
        text = "";
      }
      if (isSliceOver(pace)) await pause(pace);
    }
  }
  yield text;
}

function family(
  name: string,
  kind: Kind,
  help: string,
  samples: Sample[],
  prefix = "memcacheq_",
): string {
  const full = `${prefix}${name}`;
  return heading(full, kind, help) + samples.map((sample) => line(full, sample)).join("");
}

/** https://prometheus.io/docs/concepts/metric_types/#histogram */
function histogram(name: string, help: string, { bounds, counts, sum }: Histogram): string {
  const full = `memcacheq_${name}`;
  let count = 0;
  const buckets = counts.map((inRange, i) => {
    count += inRange;
    const le = i < bounds.length ? String(bounds[i]) : "+Inf";
    return line(`${full}_bucket`, [{ le }, count]);
  });
  const totals = [line(`${full}_sum`, [{}, sum]), line(`${full}_count`, [{}, count])];
  return heading(full, "histogram", help) + [...buckets, ...totals].join("");
}

function heading(name: string, kind: Kind, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`;
}

function line(name: string, [labels, value]: Sample): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${text}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
}

/** The name of a queue as the value of a label. */
function label(name: string): string {
  return shownName(name).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
