/** What one load run is told, and what it tells back: the contract of measure.ts and load/main.ts. */
import type { Address } from "./address.ts";

export const OPERATIONS = ["set", "get", "mixed"] as const;
/** Of this server only: a set with an id; a lease and its acknowledgement; an open, and a set that closes its message. */
export const DELIVERIES = ["once", "lease", "close"] as const;
export type Delivery = (typeof DELIVERIES)[number];
export type Operation = (typeof OPERATIONS)[number] | Delivery;

/** What a connection sends, over and over: `mixed` is a set and a get, `drain` a set and two gets. */
export type Pattern = Operation | "drain";

/** The queue that the benchmark fills and empties. */
export const QUEUE = "memcacheq-bench";

export type DialectName = "memcached" | "redis" | "beanstalkd" | "rabbitmq" | "nats";

/** One load: `connections` clients, each keeping `depth` commands on their way. */
export type Task = {
  operation: Pattern;
  connections: number;
  depth: number;
  /** Bytes in a message body. */
  size: number;
  /** The run ends after this many seconds, or with `ops`, whichever comes first. */
  seconds: number;
  /** Exactly this many operations, however long they take; null leaves it to `seconds`. */
  ops: number | null;
  /** Warm both sides up, start with an empty queue or one filled for the gets, and empty it in the end. */
  prepare: boolean;
  /** So many operations a second become due, evenly, whatever the server does; null is as many as it answers. */
  pace: number | null;
  /** One more client sends sets and gets of a queue of its own, without waiting for any answer. */
  greedy: boolean;
};

/** Bodies of 100 bytes from 50 clients that wait for each answer. */
export const BASE: Task = {
  operation: "set",
  connections: 50,
  depth: 1,
  size: 100,
  seconds: 1,
  ops: null,
  prepare: true,
  pace: null,
  greedy: false,
};

/** A task and the server that it is for. */
export type Job = Task & {
  address: Address;
  dialect: DialectName;
  /** The server's process, for its CPU time and memory; null when unknown. */
  pid: number | null;
};

/** Operations of a connection as part of what they do on average. */
export type Spread = { least: number; most: number; deviation: number };

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
  spread: Spread;
  /** The longest latency in each SLOT_SECONDS of a run with a pace; empty for others. */
  timeline: number[];
  /** How late the load generator itself was in sending what was due, at most. */
  ownDelay: number;
  /** Operations of the greedy client that were answered. */
  greedyOps: number;
  /** CPU time of the server, microseconds. */
  serverCpu: number | null;
  /** Resident memory of the server at the end, bytes. */
  serverMemory: number | null;
  /** CPU time of the load generator itself, microseconds. */
  loadCpu: number;
};

export const SLOT_SECONDS = 0.25;

/** The one line that load/main.ts prints. */
export type Report = { measurement: Measurement } | { failure: string };
