import { SETTINGS } from "../config/queue_settings.ts";
import type { Outcome } from "../protocol/reply.ts";
import type { Request, RequestKind, SingleKind } from "../protocol/request.ts";
import type { OperationKind } from "../queues/operation.ts";
import { setVerbosity } from "../util/log.ts";
import {
  addExpireAll,
  addFlush,
  addFlushAll,
  addList,
  addMoveAll,
  addReturnAll,
  replyExpireAll,
  replyFlush,
  replyFlushAll,
  replyList,
  replyMoveAll,
} from "./all_queues.ts";
import { addAuthenticate } from "./authenticate.ts";
import type { Engine, Entry, Session } from "./engine.ts";
import { addGet, replyGet } from "./get.ts";
import { addEntry } from "./group.ts";
import { pauseEnd, pauseLeft } from "./pause.ts";
import { keepRecord } from "./records.ts";
import {
  isTracing,
  replyError,
  replyFailure,
  replyOutcome,
  replyStatistics,
  traceReply,
} from "./replies.ts";
import { countOther, resetStats } from "./stats.ts";
import { addDump, addStats, replyDump, replyDumpOfOne, replyStats } from "./survey.ts";
import { countWaiters, offer } from "./waiters.ts";
import { LOOK, PLAIN, WIDE } from "./weights.ts";

/** Seconds. */
const MAX_RELATIVE = 30 * 24 * 60 * 60;

/**
 * What a kind of request adds to the gathering group, and how the outcome of each operation is replied. The reply to a
 * request has exactly one last line (or packet), also when some of its operations fail.
 */
export interface Command {
  add(engine: Engine, session: Session, request: Request): void;
  reply(engine: Engine, entry: Entry): void;
}

export const commands: Record<RequestKind, Command> = {
  set: { add: addSet, reply: replySet },
  get: { add: addGet, reply: replyGet },
  delete: { add: adding("delete", LOOK, true), reply: replyDelete },
  "move all": { add: addMoveAll, reply: replyMoveAll },
  acknowledge: {
    add: addingLease("acknowledge"),
    reply: finishing(replyingWhether("deleted", "no lease")),
  },
  touch: { add: addingLease("extend"), reply: finishing(replyingWhether("touched", "no lease")) },
  "give back": {
    add: addingSingle("give back"),
    reply: finishing(replyingWhether("done", "not found")),
  },
  remove: { add: addingSingle("remove"), reply: finishing(replyingWhether("done", "not found")) },
  return: { add: addingSingle("return"), reply: finishing(replyingWhether("done", "not found")) },
  "return all": { add: addReturnAll, reply: replyFlushAll },
  flush: { add: addFlush, reply: replyFlush },
  pause: { add: addPause, reply: finishing(replyingWhether("done", "not found")) },
  resume: {
    add: adding("resume", LOOK, true),
    reply: finishing(replyingWhether("done", "not found")),
  },
  flush_all: { add: addFlushAll, reply: replyFlushAll },
  stats: { add: addStats, reply: replyStats },
  "stats queue": { add: adding("details", LOOK, false), reply: finishing(replyDetails) },
  "stats queues": { add: addList, reply: replyList },
  "stats settings": { add: adding("none", LOOK, false), reply: finishing(replySettings) },
  "stats reset": {
    add: adding("none", PLAIN, false),
    reply: finishing((engine, entry) => {
      resetStats(engine.stats);
      replyOutcome(engine, entry, "reset");
    }),
  },
  dump_stats: { add: addDump, reply: replyDump },
  "dump_stats queue": { add: adding("details", LOOK, false), reply: finishing(replyDumpOfOne) },
  status: { add: adding("none", PLAIN, false), reply: answering("up") },
  reload: {
    add: adding("none", PLAIN, false),
    reply: finishing((engine, entry) => {
      engine.operator.reload?.();
      replyOutcome(engine, entry, "reloaded");
    }),
  },
  shutdown: { add: adding("none", PLAIN, false), reply: finishing(replyShutdown) },
  flush_expired: {
    add: adding("expire", WIDE, true),
    reply: finishing((engine, entry) => replyOutcome(engine, entry, "expired", entry.number)),
  },
  flush_all_expired: { add: addExpireAll, reply: replyExpireAll },
  version: { add: adding("none", PLAIN, false), reply: finishing(replyVersion) },
  verbosity: {
    add: adding("none", PLAIN, false),
    reply: finishing((engine, entry) => {
      setVerbosity(entry.request.level);
      replyOutcome(engine, entry, "done");
    }),
  },
  noop: {
    add: adding("none", PLAIN, false),
    reply: finishing((engine, entry) => replyOutcome(engine, entry, "alive")),
  },
  quit: {
    add: adding("none", PLAIN, false),
    reply: finishing((engine, entry) => replyOutcome(engine, entry, "done")),
  },
  db_checkpoint: {
    add: adding("checkpoint", WIDE, true),
    reply: finishing((engine, entry) => replyOutcome(engine, entry, "done")),
  },
  db_archive: {
    add: adding("archive", WIDE, true),
    reply: finishing((engine, entry) => replyOutcome(engine, entry, "done")),
  },
  authenticate: {
    add: addAuthenticate,
    reply: finishing((engine, entry) => replyOutcome(engine, entry, "authenticated")),
  },
  mechanisms: {
    add: adding("none", PLAIN, false),
    reply: finishing((engine, entry) => replyOutcome(engine, entry, "mechanisms")),
  },
  error: { add: adding("none", PLAIN, false), reply: finishing(replyRefused) },
  "error set": {
    add: adding("none", PLAIN, false),
    reply: finishing((engine, entry) => {
      engine.stats.setCommands++;
      replyRefused(engine, entry);
    }),
  },
};

/** A request that is one operation. */
function adding(kind: OperationKind, weight: number, isChange: boolean): Command["add"] {
  return (engine, session, request) => {
    addEntry(engine, kind, session, request, weight).queue = request.name;
    if (isChange) engine.gathering.changes++;
  };
}

/** A request that is one operation: when that has failed, the reply is its error, and otherwise what `reply` writes. */
function finishing(reply: Command["reply"]): Command["reply"] {
  return (engine, entry) => {
    countOther(engine.stats, entry.request.kind);
    if (!replyFailure(engine, entry)) reply(engine, entry);
    keepRecord(engine, entry.request);
  };
}

/** A request about the message of a number. */
function addingSingle(kind: SingleKind): Command["add"] {
  return (engine, session, request) => {
    const entry = addEntry(engine, kind, session, request, WIDE);
    entry.queue = request.name;
    entry.number = request.number;
    engine.gathering.changes++;
  };
}

/** The reply tells whether what was asked for was done. */
function replyingWhether(done: Outcome, other: Outcome): Command["reply"] {
  return (engine, entry) => replyOutcome(engine, entry, entry.outcome === "done" ? done : other);
}

/** A request whose only reply is this one. */
function answering(outcome: Outcome): Command["reply"] {
  return finishing((engine, entry) => replyOutcome(engine, entry, outcome));
}

/** The server ends, and the connection with it. As in Kestrel there is no other answer. */
function replyShutdown(engine: Engine, entry: Entry): void {
  const { shutdown } = engine.operator;
  // The sender of a datagram may be forged.
  if (shutdown !== undefined && entry.session.hasConnection) shutdown();
  else replyError(engine, entry, "bad request", "shutdown is not allowed, see --allow-shutdown");
}

function addSet(engine: Engine, session: Session, request: Request): void {
  const { gathering, waiters } = engine;
  const entry = addEntry(engine, "put", session, request, PLAIN);
  entry.queue = request.name;
  entry.flags = request.flags;
  entry.body = request.body;
  entry.start = request.bodyStart;
  entry.end = request.bodyEnd;
  entry.alone = request.bodyAlone;
  const { options } = request;
  entry.delay = options === undefined ? 0 : options.delay;
  entry.id = options === undefined ? "" : options.id;
  entry.source = options === undefined ? "" : options.source;
  if (options !== undefined && options.source !== "") {
    entry.sourceNumber = options.sourceNumber;
    entry.consumer = session.consumer;
  }
  entry.expires = request.exptime === 0 ? 0 : expiryOf(engine, request.exptime);
  gathering.changes++;
  gathering.bytes += request.bodyEnd - request.bodyStart;
  if (waiters.size > 0 && entry.delay === 0) offer(engine, request.name, 1);
}

/**
 * When a message expires, in milliseconds since 1970, as memcached reads it: seconds from now up to 30 days, else a date;
 * a negative time is over.
 */
function expiryOf({ runtime }: Engine, exptime: number): number {
  if (exptime < 0) return 1;
  return exptime * 1000 + (exptime <= MAX_RELATIVE ? runtime.calendar() : 0);
}

function replySet(engine: Engine, entry: Entry): void {
  const { stats } = engine;
  stats.setCommands++;
  if (entry.outcome === "done") {
    stats.setHits++;
    entry.session.traffic.sets++;
    replyOutcome(engine, entry, "stored", entry.request.numbered ? entry.number : 0);
  } else if (entry.outcome === "repeated") {
    replyOutcome(engine, entry, "stored");
  } else if (entry.outcome === "unheld") {
    const how = entry.sourceNumber > 0 ? "has that lease" : "is open";
    replyError(
      engine,
      entry,
      "bad request",
      `no message of ${entry.source} ${how}, nothing is stored`,
    );
  } else if (entry.outcome === "full") {
    stats.counters.setsNotStored++;
    replyOutcome(engine, entry, "not stored");
  } else {
    stats.counters.setsFailed++;
    replyFailure(engine, entry);
  }
  keepRecord(engine, entry.request);
}

function replyDelete(engine: Engine, entry: Entry): void {
  const { counters } = engine.stats;
  if (entry.outcome === "done") {
    counters.deleteHits++;
    replyOutcome(engine, entry, "deleted");
  } else if (!replyFailure(engine, entry)) {
    counters.deleteMisses++;
    replyOutcome(engine, entry, "not found");
  }
  keepRecord(engine, entry.request);
}

function addPause(engine: Engine, session: Session, request: Request): void {
  const entry = addEntry(engine, "pause", session, request, LOOK);
  entry.queue = request.name;
  entry.until = pauseEnd(engine, request.seconds);
  engine.gathering.changes++;
}

/** What concerns a lease, by its number. */
function addingLease(kind: "acknowledge" | "extend"): Command["add"] {
  return (engine, session, request) => {
    const entry = addEntry(engine, kind, session, request, PLAIN);
    entry.queue = request.name;
    entry.number = request.number;
    entry.lease = request.leaseMs;
    engine.gathering.changes++;
  };
}

function replyDetails(engine: Engine, entry: Entry): void {
  const { details, queue } = entry;
  if (details === undefined) return replyStatistics(engine, entry, []);
  const {
    messages,
    bytes,
    open,
    delayed,
    sets,
    gets,
    age,
    memory,
    openAge,
    paused,
    leased,
    redelivered,
    dead,
  } = details;
  const waiters = countWaiters(engine, queue);
  replyStatistics(engine, entry, [
    ["messages", messages],
    ["bytes", bytes],
    ["open", open],
    ["waiters", waiters],
    ["sets", sets],
    ["gets", gets],
    ["age", age],
    ["memory", memory],
    ["open_age", openAge],
    ["paused", pauseLeft(engine, paused)],
    ["dropped", details.dropped],
    ["delayed", delayed],
    ["expired", details.expired],
    ["missed", details.missed],
    ["duplicates", details.duplicates],
    ["once", details.onceMs],
    ["leased", leased],
    ["redelivered", redelivered],
    ["dead", dead],
  ]);
}

/** What holds for a queue, whether there is one or not. */
function replySettings(engine: Engine, entry: Entry): void {
  const { queue } = entry;
  const settings = engine.backend.settings(queue);
  const rows = SETTINGS.map(({ name, show }) => [name, show(settings, queue)] as const);
  replyStatistics(engine, entry, [["rule", settings.rule?.pattern ?? "none"], ...rows]);
}

function replyVersion(engine: Engine, { session, request }: Entry): void {
  const start = engine.output.length;
  request.encoder.version(engine.output, request, engine.settings.version);
  if (isTracing()) traceReply(engine, session, request, start);
}

function replyRefused(engine: Engine, entry: Entry): void {
  const { error, reason } = entry.request;
  replyError(engine, entry, error, reason);
}
