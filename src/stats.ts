import { DURATIONS, type Histogram, newHistogram, SIZES } from "./histogram.ts";
import type { Command } from "./protocol/command.ts";
import { version } from "./version.ts";

/** What the server counts of itself; the queues' own counters are theirs. */
export interface Stats {
  /** Milliseconds since 1970. */
  startedAt: number;
  currentConnections: number;
  totalConnections: number;
  /** The most connections there have been at once: each has left a record behind for the next. */
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

/** What `stats` has no names for; nothing sets it back. */
export interface Counters {
  /** Sets that a limit forbids. */
  setsNotStored: number;
  /** Messages whose set or get was executed, and then not committed. */
  setsFailed: number;
  getsFailed: number;
  deleteHits: number;
  /** How often each command came that is neither a set nor a get. */
  others: Partial<Record<Command["kind"], number>>;
}

/** The commits of turns. */
export interface Commits {
  /** Seconds. */
  times: Histogram;
  /** Messages set and taken. */
  sizes: Histogram;
  /** When the last one succeeded and failed, in milliseconds since 1970, or 0; and why it failed. */
  succeededAt: number;
  failedAt: number;
  failure: string;
}

export function newStats(): Stats {
  return {
    startedAt: Date.now(),
    currentConnections: 0,
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
      deleteHits: 0,
      others: {},
    },
    commits: {
      times: newHistogram(DURATIONS),
      sizes: newHistogram(SIZES),
      succeededAt: 0,
      failedAt: 0,
      failure: "",
    },
  };
}

/** What `stats reset` does; what is so at this moment stays. */
export function resetStats(stats: Stats): void {
  stats.totalConnections = 0;
  stats.getCommands = 0;
  stats.getHits = 0;
  stats.setCommands = 0;
  stats.setHits = 0;
  stats.bytesRead = 0;
  stats.bytesWritten = 0;
}

/** The general statistics under their names in the protocol, in its order. */
export function listStats(stats: Stats): [name: string, value: string | number][] {
  const now = Date.now();
  const { user, system } = process.cpuUsage();
  return [
    ["pid", process.pid],
    ["uptime", Math.floor((now - stats.startedAt) / 1000)],
    ["time", Math.floor(now / 1000)],
    ["version", version],
    ["pointer_size", 64],
    ["rusage_user", seconds(user)],
    ["rusage_system", seconds(system)],
    ["curr_connections", stats.currentConnections],
    ["total_connections", stats.totalConnections],
    ["connection_structures", stats.connectionRecords],
    ["get_cmds", stats.getCommands],
    ["get_hits", stats.getHits],
    ["set_cmds", stats.setCommands],
    ["set_hits", stats.setHits],
    ["bytes_read", stats.bytesRead],
    ["bytes_written", stats.bytesWritten],
    // One thread serves all connections, whatever -t asks for.
    ["threads", 1],
  ];
}

/** `<seconds>.<microseconds>` */
function seconds(microseconds: number): string {
  return (microseconds / 1e6).toFixed(6);
}

export function countOther({ counters: { others } }: Stats, kind: Command["kind"]): void {
  others[kind] = (others[kind] ?? 0) + 1;
}

export function countConnection(stats: Stats): void {
  stats.currentConnections++;
  stats.totalConnections++;
  stats.connectionRecords = Math.max(stats.connectionRecords, stats.currentConnections);
}
