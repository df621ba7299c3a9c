/** What one load run is told, and what it tells back: the contract of main.ts and load.ts. */
import type { Address } from "./address.ts";

export const OPERATIONS = ["set", "get", "mixed"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** The queue that the benchmark fills and empties. */
export const QUEUE = "memcacheq-bench";

export type DialectName = "memcached" | "redis";

/** One load run: `connections` clients, each keeping `depth` commands on their way. */
export type Job = {
  address: Address;
  dialect: DialectName;
  operation: Operation;
  connections: number;
  depth: number;
  /** Bytes in a message body. */
  size: number;
  /** The run ends after this many seconds, or with `ops`, whichever comes first. */
  seconds: number;
  /** Exactly this many operations, however long they take; null leaves it to `seconds`. */
  ops: number | null;
  /** The server's process, for its CPU time and memory; null when unknown. */
  pid: number | null;
};

/** What was measured. Latencies are in microseconds, as a client sees them. */
export type Measurement = {
  ops: number;
  seconds: number;
  p50: number;
  p99: number;
  p999: number;
  longest: number;
  hits: number;
  misses: number;
  errors: number;
  /** The first answer that was neither expected nor a miss. */
  firstError: string | null;
  /** CPU time of the server, microseconds. */
  serverCpu: number | null;
  /** Resident memory of the server at the end, bytes. */
  serverMemory: number | null;
  /** CPU time of the load generator itself, microseconds. */
  loadCpu: number;
};

/** The one line that load.ts prints. */
export type Report = { measurement: Measurement } | { failure: string };
