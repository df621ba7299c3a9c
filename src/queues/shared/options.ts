import type { QueueRule } from "../../config/queue_settings.ts";
import type { StoreAddress } from "../../config/store_address.ts";
import type { Clock } from "../../util/clock.ts";

export interface SharedOptions {
  store: StoreAddress;
  /** How long operations wait for PostgreSQL while it is away, in milliseconds. */
  graceMs: number;
  /** Answers wait until PostgreSQL has flushed its log. */
  sync: boolean;
  /** Messages in one queue, bytes of the bodies in all queues, ids that are remembered. Infinity is none. */
  limits: { messages: number; bytes: number; ids: number };
  /** Children of queues, `q+child`, get a copy of each message of the queue. */
  fanout: boolean;
  /** The exptime of a set counts in all queues. */
  readsExptime: boolean;
  rules: readonly QueueRule[];
  /** Of this program: servers that share queues tell it each other. */
  version: string;
  clock: Clock;
  /** Does the work later. @returns cancels it */
  after: (milliseconds: number, work: () => void) => () => void;
  warn: (text: string) => void;
  info: (text: string) => void;
}
