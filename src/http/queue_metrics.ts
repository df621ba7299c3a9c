import { type Account, maySee } from "../engine/access/account.ts";
import type { Engine } from "../engine/engine.ts";
import { pauseLeft } from "../engine/pause.ts";
import { countWaiters } from "../engine/waiters.ts";
import type { Later, Portions } from "../queues/backend.ts";
import type { QueueSummary } from "../queues/summary.ts";
import { counter, escapeLabel, gauge, heading, type MetricKind } from "./exposition.ts";
import { orWarn } from "./failure.ts";
import type { Monitor } from "./monitor.ts";
import { displayName } from "./queue_name.ts";
import { type Ranking, rankQueues } from "./ranking.ts";
import { beginSlice, isSliceOver, nextSlice, type TimeSlice } from "./time_slice.ts";
import { inTurn } from "./work.ts";

/** Characters that are sent together. */
const PIECE = 16 * 1024;
/** Bytes of all lines about single queues, and those of a line beside the name of the queue. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;
const LINE_BYTES = 64;
/** Names that are only waited for. */
const MAX_AWAITED = 1000;

/** A metric that each queue has. */
interface QueueMetric {
  name: string;
  kind: MetricKind;
  help: string;
  /** @param now milliseconds since 1970. @returns undefined when the queue is left out */
  value: (queue: QueueSummary, engine: Engine, now: number) => Later<number | undefined>;
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
    name: "memcacheq_queue_expired_total",
    kind: "counter",
    help: "Messages that expired, since the start.",
    value: ({ expired }) => expired,
  },
  {
    name: "memcacheq_queue_missed_copies_total",
    kind: "counter",
    help: "Copies of another queue's messages that there was no room for, since the start.",
    value: ({ missed }) => missed,
  },
  {
    name: "memcacheq_queue_duplicates_total",
    kind: "counter",
    help: "Messages that were not stored because one with the same id was, since the start.",
    value: ({ duplicates }) => duplicates,
  },
  {
    name: "memcacheq_queue_dropped_total",
    kind: "counter",
    help: "Messages that were dropped to make room for newer ones, since the start.",
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
    name: "memcacheq_queue_leased",
    kind: "gauge",
    help: "Messages that are leased.",
    value: ({ leased }) => leased,
  },
  {
    name: "memcacheq_queue_redelivered_total",
    kind: "counter",
    help: "Deliveries of messages that were delivered before, since the start.",
    value: ({ redelivered }) => redelivered,
  },
  {
    name: "memcacheq_queue_dead_total",
    kind: "counter",
    help: "Messages that went to the dead letters, since the start.",
    value: ({ dead }) => dead,
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
    value: ({ name, arrived }, { backend }, now) => {
      const age = (oldest: number | undefined) => {
        if (oldest === undefined) return undefined;
        return oldest === 0 ? 0 : Math.max(0, now - oldest) / 1000;
      };
      const oldest = arrived ?? orWarn(() => backend.oldestArrival(name));
      return oldest instanceof Promise ? oldest.then(age) : age(oldest);
    },
  },
];

const WAITERS = "memcacheq_queue_waiters";

/** What is told of the queues, in pieces: of all together, and of the deepest and the oldest ones by name. */
export async function* queueMetrics(
  monitor: Monitor,
  account: Account | undefined,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const { engine, work, options } = monitor;
  const lines = QUEUE_METRICS.length + 1;
  const most = options.metricsQueues;
  const mostBytes = MAX_LINE_BYTES / lines;
  const ranking = await inTurn(work, signal, () =>
    rankQueues(monitor, account, { most, mostBytes, bytesEach: LINE_BYTES }, signal),
  );
  yield totalMetrics(ranking);
  const slice = beginSlice(work.slices, signal);
  for (const metric of QUEUE_METRICS) {
    const title = heading(metric.name, metric.kind, metric.help);
    yield* inPieces(slice, title, queueLines(engine, ranking, metric));
  }
  const title = heading(WAITERS, "gauge", "Clients that wait for a message.");
  yield* inPieces(slice, title, [waiterLines(engine, account, ranking, most)]);
}

function totalMetrics({ names, totals }: Ranking): string {
  const { messages, bytes, open, sets, gets } = totals;
  return [
    gauge("memcacheq_named_queues", "Queues that are told of by name.", names.length),
    gauge("memcacheq_messages", "Messages in all queues, open ones too.", messages),
    gauge("memcacheq_messages_bytes", "Bytes of the bodies of these messages.", bytes),
    gauge("memcacheq_messages_open", "Messages of all queues that a consumer has open.", open),
    counter("memcacheq_sets_total", "Messages ever set, in all queues that are there.", sets),
    counter("memcacheq_gets_total", "Those of them that are gone for good.", gets),
  ].join("");
}

/** A queue that was deleted meanwhile has no line. */
async function* queueLines(
  engine: Engine,
  { names }: Ranking,
  { name, value: valueOf }: QueueMetric,
): AsyncGenerator<Iterable<Later<string>>> {
  const now = engine.runtime.calendar();
  const lineOf = (queue: QueueSummary): Later<string> => {
    const line = (value: number | undefined) =>
      value === undefined ? "" : queueLine(name, queue.name, value);
    const value = valueOf(queue, engine, now);
    return value instanceof Promise ? value.then(line) : line(value);
  };
  for await (const portion of engine.backend.summaries(names)) {
    yield Iterator.from(portion).map(lineOf);
  }
}

/** Clients may also wait for a queue that is not there yet: so many of these are told, too. */
function* waiterLines(
  engine: Engine,
  account: Account | undefined,
  { names, absent }: Ranking,
  most: number,
): Generator<string> {
  for (const name of names) yield queueLine(WAITERS, name, countWaiters(engine, name));
  let left = Math.min(most, MAX_AWAITED);
  for (const name of absent) {
    if (!maySee(account, name)) continue;
    if (left-- === 0) return;
    yield queueLine(WAITERS, name, countWaiters(engine, name));
  }
}

/** Written without a record of labels: there may be a million lines. */
function queueLine(metric: string, queue: string, value: number): string {
  return `${metric}{queue="${escapeLabel(displayName(queue))}"} ${value}\n`;
}

/** Lines in pieces that are sent together, with pauses. */
async function* inPieces(
  slice: TimeSlice,
  title: string,
  portions: Portions<Later<string>>,
): AsyncGenerator<string> {
  let text = title;
  for await (const lines of portions) {
    for (const line of lines) {
      text += typeof line === "string" ? line : await line;
      if (text.length >= PIECE) {
        yield text;
        text = "";
      }
      if (isSliceOver(slice)) await nextSlice(slice);
    }
  }
  yield text;
}
