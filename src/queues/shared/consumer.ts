import type { Consumer } from "../operation.ts";

/** A client. What it has open is in PostgreSQL; this is what its server was told of it. */
export interface SharedConsumer extends Consumer {
  /** Unique among the clients of this server. */
  readonly id: number;
  /** The number of its open message in each queue. */
  readonly open: Map<string, number>;
  /** Tells the client's address, in words for people. */
  readonly client: () => string;
}

export function newConsumer(id: number, client: () => string): SharedConsumer {
  const open = new Map<string, number>();
  return { id, open, client, openQueues: () => open.keys() };
}
