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

export function countConnection(stats: Stats): void {
  stats.currentConnections++;
  stats.totalConnections++;
  stats.connectionRecords = Math.max(stats.connectionRecords, stats.currentConnections);
}
