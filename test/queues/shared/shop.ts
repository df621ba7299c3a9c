/** Queues in PostgreSQL, several servers of them, and the operations that tests ask of these, one by one or in groups. */
import { parseQueueRule } from "../../../src/config/queue_rules.ts";
import type { QueueRule } from "../../../src/config/queue_settings.ts";
import type { Backend, Watcher } from "../../../src/queues/backend.ts";
import { newOperation, type Operation, type OperationKind } from "../../../src/queues/operation.ts";
import { openShared, type SharedOptions } from "../../../src/queues/shared/shared.ts";
import { systemClock } from "../../../src/util/clock.ts";

export interface Server {
  backend: Backend;
  /** Names of the queues that a client waits for, and what was told of them: "<queue> <messages>". */
  awaited: Set<string>;
  ready: string[];
  warnings: string[];
}

export async function newServer(
  port: number,
  database: string,
  changed: Partial<SharedOptions> & { queue?: string[] } = {},
): Promise<Server> {
  const server = { awaited: new Set<string>(), ready: [] as string[], warnings: [] as string[] };
  const watcher: Watcher = {
    committed: () => {},
    failed: () => {},
    isAwaited: (queue) => server.awaited.has(queue),
    ready: (queue, messages) => void server.ready.push(`${queue} ${messages}`),
  };
  const { queue = [], ...others } = changed;
  const options: SharedOptions = {
    store: {
      hosts: [{ host: "127.0.0.1", port }],
      user: "memcacheq",
      database,
      password: undefined,
      sslmode: "disable",
      sslrootcert: undefined,
    },
    graceMs: 5000,
    sync: true,
    limits: { messages: Infinity, bytes: Infinity, ids: 1_000_000 },
    fanout: false,
    readsExptime: false,
    rules: queue.map(ruleOf),
    version: "test",
    clock: systemClock,
    after(milliseconds, work) {
      const timer = setTimeout(work, milliseconds);
      return () => clearTimeout(timer);
    },
    warn: (text) => void server.warnings.push(text),
    info: () => {},
    ...others,
  };
  return Object.assign(server, { backend: await openShared(options, watcher) });
}

export function ruleOf(text: string): QueueRule {
  const rule = parseQueueRule(text);
  if (typeof rule === "string") throw new Error(rule);
  return rule;
}

/** An operation with some fields filled in. A body lies amid other bytes, as it arrives. */
export function operation(
  kind: OperationKind,
  queue = "",
  fields: Partial<Omit<Operation, "body">> & { body?: string | Buffer } = {},
): Operation {
  const { body, ...rest } = fields;
  const made = Object.assign(newOperation(), { kind, queue }, rest);
  if (body === undefined) return made;
  const bytes = typeof body === "string" ? Buffer.from(body, "latin1") : body;
  const source = Buffer.concat([Buffer.from("before"), bytes, Buffer.from("\r\nafter")]);
  return Object.assign(made, { body: source, start: 6, end: 6 + bytes.length });
}

export const put = (queue: string, body: string, fields: Partial<Operation> = {}) =>
  operation("put", queue, { ...fields, body });
export const take = (queue: string) => operation("take", queue);

/** Executes a group, in as many parts as the backend makes of it. */
export async function run({ backend }: Server, ...operations: Operation[]): Promise<Operation[]> {
  for (let done = 0; done < operations.length;) {
    done += await backend.execute(operations, done, operations.length);
    for (const { session } of operations) session.taken = 0;
  }
  return operations;
}

/** Executes one operation, and tells what came of it: its body, or else its outcome. */
export async function ask(server: Server, one: Operation): Promise<string> {
  await run(server, one);
  return told(one);
}

export function told({ kind, outcome, body, start, end, error }: Operation): string {
  if (outcome === "failed") return `failed: ${error}`;
  const brings = kind !== "put" && kind !== "restore" && outcome === "done" && end > start;
  return brings ? body.toString("latin1", start, end) : outcome;
}

/** All that can be taken from the queue, one after the other. */
export async function drain(server: Server, queue: string): Promise<string[]> {
  const bodies: string[] = [];
  for (;;) {
    const one = take(queue);
    await run(server, one);
    if (one.outcome !== "done") return bodies;
    bodies.push(one.body.toString("latin1", one.start, one.end));
  }
}
