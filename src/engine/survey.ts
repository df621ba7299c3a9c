import type { Row } from "../protocol/reply.ts";
import type { Request } from "../protocol/request.ts";
import type { QueueSummary } from "../queues/summary.ts";
import { maySee } from "./access/account.ts";
import { addPart, finish, replyPart } from "./all_queues.ts";
import type { Engine, Entry, Session } from "./engine.ts";
import { isTracing, isWithinRoom, replyStatistics, traceReply } from "./replies.ts";
import { listStats } from "./stats.ts";
import { countWaiters } from "./waiters.ts";

/*
 * `stats` and `dump_stats`. `stats`: the general statistics, and behind them those of each queue, as clients of Kestrel read them. Very many
 * queues would make it long, and then there is their number instead; in a datagram, too.
 */

export function addStats(engine: Engine, session: Session, request: Request): void {
  // A datagram has no room for them.
  const most = session.hasConnection ? engine.settings.statsQueues : -1;
  addPart(engine, "survey", session, request).most = most;
}

export function replyStats(engine: Engine, entry: Entry): void {
  const { session, request, summaries, outcome } = entry;
  const isFirst = session.cursor === undefined;
  // The general statistics need no queue, and help to see what is wrong.
  if (isFirst && (summaries === undefined || outcome === "failed")) {
    replyWithoutQueues(engine, entry);
    finish(engine, entry);
    return;
  }
  replyPart(engine, entry, () => {
    const { encoder } = request;
    if (isFirst) encoder.rows(engine.output, request, generalRows(engine));
    const seen = (summaries ?? []).filter(({ name }) => maySee(session.account, name));
    encoder.rows(engine.output, request, queueRows(engine, seen));
  });
}

function replyWithoutQueues(engine: Engine, entry: Entry): void {
  const { queues } = engine.backend.usage();
  replyStatistics(engine, entry, [...generalRows(engine), ["queues", queues]]);
}

function generalRows({ stats, runtime, backend }: Engine): Row[] {
  return listStats(stats, runtime, backend.usage());
}

function* queueRows(engine: Engine, summaries: readonly QueueSummary[]): Generator<Row> {
  for (const summary of summaries) {
    for (const [name, value] of rowsOf(engine, summary)) {
      yield [`queue_${summary.name}_${name}`, value];
    }
  }
}

/** The names are Kestrel's. */
function rowsOf(engine: Engine, summary: QueueSummary): Row[] {
  const { name, messages, bytes, sets, waitedMs, open } = summary;
  return [
    ["items", messages],
    ["bytes", bytes],
    ["total_items", sets],
    ["age", waitedMs],
    ["waiters", countWaiters(engine, name)],
    ["open_transactions", open],
  ];
}

export function addDump(engine: Engine, session: Session, request: Request): void {
  addPart(engine, "survey", session, request).most = Infinity;
}

/** The same of all queues, a block each. */
export function replyDump(engine: Engine, entry: Entry): void {
  const { session, summaries } = entry;
  replyPart(engine, entry, () => {
    for (const summary of summaries ?? []) {
      if (maySee(session.account, summary.name)) writeBlock(engine, entry, summary);
    }
  });
}

/** The block of one queue; none when there is no such queue. */
export function replyDumpOfOne(engine: Engine, entry: Entry): void {
  const { session, request, details } = entry;
  const start = engine.output.length;
  if (details !== undefined) writeBlock(engine, entry, details);
  request.encoder.rowsEnd(engine.output, request);
  if (isWithinRoom(engine, entry, start) && isTracing()) {
    traceReply(engine, session, request, start);
  }
}

function writeBlock(engine: Engine, { request }: Entry, summary: QueueSummary): void {
  request.encoder.block(engine.output, request, summary.name, rowsOf(engine, summary));
}
