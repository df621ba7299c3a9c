import type { Socket } from "bun";

import { type Address, dial } from "./address.ts";
import { lineLength, lineText } from "./dialect/bytes.ts";
import { type Answer, HIT, MISS } from "./dialect/dialect.ts";
import { toUnits } from "./latency.ts";
import type { Batch, Script } from "./script.ts";

const STALLED_AFTER_SECONDS = 10;

/** How long a run goes on: until `ops` commands were issued, or `seconds` have passed. */
export type Limit = { ops: number; seconds: number };

/** A run's count. `latencies` has one entry an operation, in the units of latency.ts. */
export type Tally = {
  ops: number;
  seconds: number;
  hits: number;
  misses: number;
  errors: number;
  firstError: string | null;
  latencies: Uint32Array;
};

type Connection = {
  socket: Socket<Connection>;
  batch: Batch;
  /** Which of the script's two batches comes next. */
  turn: number;
  /** Commands in the batch under way, and how many of them have been answered. */
  due: number;
  answered: number;
  /** Bytes of the batch under way that the socket took. */
  sent: number;
  startedAt: number;
  /** The beginning of an answer whose rest has not come yet. */
  held: Buffer;
  heldLength: number;
};

type Run = {
  script: Script;
  limit: Limit;
  tally: Tally;
  issued: number;
  startedAt: number;
  endsAt: number;
  /** Connections that still wait for answers. */
  active: number;
  finish: () => void;
  fail: (reason: Error) => void;
};

/** A closed loop: each connection issues a batch, waits for all its answers, and goes on. */
export type Traffic = {
  /** One run over all connections; `latencies` bounds its operations. Rejects on a stall. */
  drive(script: Script, limit: Limit, latencies: Uint32Array): Promise<Tally>;
  close(): void;
};

/** Opens `count` connections, then drives them. Rejects when the server refuses one. */
export async function openTraffic(address: Address, count: number): Promise<Traffic> {
  let run: Run | null = null;
  let closing = false;
  const answer: Answer = { outcome: HIT };
  const lost = (): void => {
    if (!closing) run?.fail(new Error(`the server closed a connection (${progress(run)})`));
  };
  const handlers = {
    data(socket: Socket<Connection>, chunk: Buffer): void {
      if (run !== null) receive(run, answer, socket.data, chunk);
    },
    drain(socket: Socket<Connection>): void {
      flush(socket.data);
    },
    close: lost,
    end: lost,
    error(_: Socket<Connection>, error: Error): void {
      run?.fail(error);
    },
  };
  const connections = await Promise.all(
    Array.from({ length: count }, () => connect(address, handlers)),
  );
  return {
    async drive(script, limit, latencies) {
      const bounded = { ...limit, ops: Math.min(limit.ops, latencies.length) };
      try {
        return await start(connections, script, bounded, latencies, (started) => (run = started));
      } finally {
        run = null;
      }
    },
    close() {
      closing = true;
      for (const { socket } of connections) socket.terminate();
    },
  };
}

async function connect(
  address: Address,
  handlers: Bun.SocketHandler<Connection>,
): Promise<Connection> {
  const socket = await dial(address, handlers);
  socket.setNoDelay(true);
  const none = Buffer.alloc(0);
  const connection: Connection = {
    socket,
    batch: { requests: none, ends: [0], readers: [] },
    turn: 0,
    due: 0,
    answered: 0,
    sent: 0,
    startedAt: 0,
    held: none,
    heldLength: 0,
  };
  socket.data = connection;
  return connection;
}

function start(
  connections: Connection[],
  script: Script,
  limit: Limit,
  latencies: Uint32Array,
  announce: (run: Run) => void,
): Promise<Tally> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const startedAt = Bun.nanoseconds();
  const run: Run = {
    script,
    limit,
    tally: { ops: 0, seconds: 0, hits: 0, misses: 0, errors: 0, firstError: null, latencies },
    issued: 0,
    startedAt,
    endsAt: startedAt + limit.seconds * 1e9,
    active: 0,
    finish: resolve,
    fail: reject,
  };
  announce(run);
  const watch = watchProgress(run);
  for (const connection of connections) {
    connection.turn = 0;
    issue(run, connection);
  }
  if (run.active === 0) resolve();
  return promise.then(() => closed(run)).finally(() => clearInterval(watch));
}

function closed(run: Run): Tally {
  const { tally } = run;
  tally.seconds = (Bun.nanoseconds() - run.startedAt) / 1e9;
  tally.latencies = tally.latencies.subarray(0, tally.ops);
  return tally;
}

/** Fails the run when no answer comes any more. */
function watchProgress(run: Run): Timer {
  let seen = -1;
  return setInterval(() => {
    if (run.tally.ops === seen) {
      run.fail(new Error(`no answer for ${STALLED_AFTER_SECONDS} s (${progress(run)})`));
    }
    seen = run.tally.ops;
  }, STALLED_AFTER_SECONDS * 1000);
}

function progress(run: Run | null): string {
  return run === null ? "between two runs" : `${run.tally.ops} of ${run.issued} answered`;
}

/** Sends the connection's next batch. The last one of a run may be shorter than the others. */
function issue(run: Run, connection: Connection): void {
  const now = Bun.nanoseconds();
  const due = Math.min(run.script.depth, run.limit.ops - run.issued);
  connection.answered = 0;
  connection.due = due;
  if (due <= 0 || now >= run.endsAt) {
    connection.due = 0;
    return;
  }
  connection.batch = run.script.batches[connection.turn === 0 ? 0 : 1];
  connection.turn ^= 1;
  connection.sent = 0;
  connection.startedAt = now;
  run.issued += due;
  run.active++;
  flush(connection);
}

/** Writes what is left of the batch; the socket says when there is room for more. */
function flush(connection: Connection): void {
  const { batch, sent, due, socket } = connection;
  const end = batch.ends[due] ?? 0;
  if (sent < end) connection.sent += Math.max(0, socket.write(batch.requests, sent, end - sent));
}

function receive(run: Run, answer: Answer, connection: Connection, chunk: Buffer): void {
  const now = Bun.nanoseconds();
  const { tally } = run;
  const units = toUnits(now - connection.startedAt);
  const bytes = connection.heldLength === 0 ? chunk : hold(connection, chunk);
  const to = connection.heldLength === 0 ? chunk.length : connection.heldLength;
  const { readers } = connection.batch;
  let from = 0;
  while (connection.answered < connection.due && from < to) {
    const length = readers[connection.answered]!(answer, bytes, from, to);
    if (length === 0) break;
    if (answer.outcome === HIT) tally.hits++;
    else count(tally, answer, bytes, from);
    from += length;
    tally.latencies[tally.ops++] = units;
    connection.answered++;
  }
  keepRest(connection, bytes, from, to);
  if (connection.answered < connection.due) return;
  if (connection.heldLength > 0) return run.fail(surplus(connection));
  goOn(run, connection);
}

function goOn(run: Run, connection: Connection): void {
  if (connection.due === 0) return;
  run.active--;
  issue(run, connection);
  if (run.active === 0) run.finish();
}

function count(tally: Tally, answer: Answer, bytes: Buffer, from: number): void {
  if (answer.outcome === MISS) {
    tally.misses++;
    return;
  }
  tally.errors++;
  tally.firstError ??= lineText(bytes, from, lineLength(bytes, from, bytes.length));
}

/** Appends to what is held of an answer, and returns the buffer it is held in. */
function hold(connection: Connection, chunk: Buffer): Buffer {
  const length = connection.heldLength + chunk.length;
  if (length > connection.held.length) {
    const larger = Buffer.allocUnsafeSlow(length * 2);
    connection.held.copy(larger, 0, 0, connection.heldLength);
    connection.held = larger;
  }
  chunk.copy(connection.held, connection.heldLength);
  connection.heldLength = length;
  return connection.held;
}

/** Keeps the bytes from `from` on: the beginning of the next answer. */
function keepRest(connection: Connection, bytes: Buffer, from: number, to: number): void {
  if (from === to) {
    connection.heldLength = 0;
  } else if (connection.heldLength > 0) {
    connection.held.copyWithin(0, from, to);
    connection.heldLength = to - from;
  } else {
    hold(connection, bytes.subarray(from, to));
  }
}

function surplus({ held, heldLength }: Connection): Error {
  const text = held.toString("latin1", 0, Math.min(heldLength, 60));
  return new Error(`more was answered than asked: ${JSON.stringify(text)}`);
}
