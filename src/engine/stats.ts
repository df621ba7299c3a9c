import type { Row } from "../protocol/reply.ts";
import type { RequestKind } from "../protocol/request.ts";
import type { Usage } from "../queues/backend.ts";
import type { OperationKind } from "../queues/operation.ts";
import { version } from "../util/version.ts";
import { type Commits, newCommits } from "./commits.ts";
import type { Runtime } from "./runtime.ts";
import type { Traffic } from "./traffic.ts";

/** What the server counts about itself. The queues count their messages themselves. */
export interface Stats {
  /** Milliseconds of the monotonic clock, and since 1970. */
  startedAt: number;
  startDate: number;
  currentConnections: number;
  /** The values of the counters at the last `stats reset`. The counters themselves only grow, as metrics must. */
  resetAt: Partial<Record<Resettable, number>>;
  missesAtReset: number;
  totalConnections: number;
  /** The highest number of connections at one time, which `stats` calls connection structures. */
  connectionRecords: number;
  getCommands: number;
  getHits: number;
  setCommands: number;
  setHits: number;
  bytesRead: number;
  bytesWritten: number;
  counters: Counters;
  commits: Commits;
}

/** Counters that begin again with `stats reset`. */
const RESETTABLE = [
  "totalConnections",
  "getCommands",
  "getHits",
  "setCommands",
  "setHits",
  "bytesRead",
  "bytesWritten",
] as const;
type Resettable = (typeof RESETTABLE)[number];

/** Counters that `stats` does not show. */
export interface Counters {
  /** Sets that a limit forbids. */
  setsNotStored: number;
  /** Sets and gets whose commit failed, or that failed by themselves. */
  setsFailed: number;
  getsFailed: number;
  /** Gets that were answered without a message. */
  getsMissed: number;
  /** Deletes that found their queue, and that found none. */
  deleteHits: number;
  deleteMisses: number;
  /** Open messages that were closed, and closes alone, without an open behind, where no message was open. */
  closeHits: number;
  closeMisses: number;
  /** Replies to all other commands, by kind. */
  others: Partial<Record<RequestKind, number>>;
}

export function newStats({ calendar, monotonic }: Pick<Runtime, "calendar" | "monotonic">): Stats {
  return {
    startedAt: monotonic(),
    startDate: calendar(),
    currentConnections: 0,
    resetAt: {},
    missesAtReset: 0,
    totalConnections: 0,
    connectionRecords: 0,
    getCommands: 0,
    getHits: 0,
    setCommands: 0,
    setHits: 0,
    bytesRead: 0,
    bytesWritten: 0,
    counters: {
      setsNotStored: 0,
      setsFailed: 0,
      getsFailed: 0,
      getsMissed: 0,
      deleteHits: 0,
      deleteMisses: 0,
      closeHits: 0,
      closeMisses: 0,
      others: {},
    },
    commits: newCommits(),
  };
}

/** Does a `stats reset`. Values that say how things are now, such as the number of connections, stay. */
export function resetStats(stats: Stats): void {
  for (const name of RESETTABLE) stats.resetAt[name] = stats[name];
  stats.missesAtReset = stats.counters.getsMissed;
}

/** The general statistics under their names in the protocol, in its order. */
export function listStats(
  stats: Stats,
  runtime: Pick<Runtime, "calendar" | "monotonic" | "process">,
  usage: Usage,
): Row[] {
  const { pid, user, system } = runtime.process();
  const sinceReset = (name: Resettable) => stats[name] - (stats.resetAt[name] ?? 0);
  return [
    ["pid", pid],
    ["uptime", Math.floor((runtime.monotonic() - stats.startedAt) / 1000)],
    ["time", Math.floor(runtime.calendar() / 1000)],
    ["version", version],
    ["pointer_size", 64],
    ["rusage_user", seconds(user)],
    ["rusage_system", seconds(system)],
    ["curr_connections", stats.currentConnections],
    ["total_connections", sinceReset("totalConnections")],
    ["connection_structures", stats.connectionRecords],
    ["get_cmds", sinceReset("getCommands")],
    ["get_hits", sinceReset("getHits")],
    ["set_cmds", sinceReset("setCommands")],
    ["set_hits", sinceReset("setHits")],
    ["bytes_read", sinceReset("bytesRead")],
    ["bytes_written", sinceReset("bytesWritten")],
    // One thread serves all connections; -t changes nothing.
    ["threads", 1],
    // The original has no such line: messages that could not be read, and were skipped.
    ["lost_messages", usage.lost],
    // Nor this one: closes of clients that had no message open, perhaps because they had got another connection.
    ["close_misses", stats.counters.closeMisses],
    // From here on the names are those of Kestrel and memcached.
    ["cmd_get", sinceReset("getCommands")],
    ["cmd_set", sinceReset("setCommands")],
    ["get_misses", stats.counters.getsMissed - stats.missesAtReset],
    ["curr_items", usage.messages],
    ["total_items", usage.sets],
    ["bytes", usage.bytes],
  ];
}

/** `<seconds>.<microseconds>` */
function seconds(microseconds: number): string {
  return (microseconds / 1e6).toFixed(6);
}

export function countOther({ counters: { others } }: Stats, kind: RequestKind): void {
  others[kind] = (others[kind] ?? 0) + 1;
}

/** A get that brought a message. A peek leaves it to others. */
export function countHit(stats: Stats, traffic: Traffic, kind: OperationKind): void {
  stats.getHits++;
  if (kind !== "peek") traffic.gets++;
}

/** A set whose message is stored. */
export function countStored(stats: Stats, traffic: Traffic): void {
  traffic.sets++;
  stats.setCommands++;
  stats.setHits++;
}

export function countConnection(stats: Stats): void {
  stats.currentConnections++;
  stats.totalConnections++;
  stats.connectionRecords = Math.max(stats.connectionRecords, stats.currentConnections);
}
