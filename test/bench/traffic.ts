import type { Socket } from "bun";

import { type Address, dial } from "./address.ts";
import { lineLength, lineText } from "./dialect/bytes.ts";
import { type Answer, HIT, MISS, MORE, type ReadAnswer } from "./dialect/dialect.ts";
import { SLOT_SECONDS } from "./job.ts";
import { toUnits } from "./latency.ts";
import type { Batch, Script } from "./script.ts";

const STALLED_AFTER_SECONDS = 10;
const TICK_MILLISECONDS = 1;

/**
 * How long a run goes on: until `ops` operations were issued, or `seconds` have passed. With a pace, so many of them
 * become due each second, and a latency counts from then; otherwise from when a connection sends.
 */
export type Limit = { ops: number; seconds: number; pace: number | null };

/** A run's count. `latencies` has one entry an operation, `timeline` one a slot, in the units of latency.ts. */
export type Tally = {
  ops: number;
  seconds: number;
  hits: number;
  misses: number;
  errors: number;
  firstError: string | null;
  latencies: Uint32Array;
  /** Operations of each connection. */
  shares: number[];
  timeline: number[];
  /** Nanoseconds that the loop of this process was late at most; 0 without a pace. */
  ownDelay: number;
};

type Connection = {
  socket: Socket<Connection>;
  batch: Batch;
  /** Which of the script's batches comes next. */
  turn: number;
  /** Commands in the batch under way, and how many of them have been answered. */
  due: number;
  answered: number;
  /** What ends the operations of the batch under way, to be sent when all of it is answered. */
  next: Buffer[];
  /** Operations of the run that are over. */
  ops: number;
  /** Bytes of the batch under way that the socket took. */
  sent: number;
  startedAt: number;
  /** The beginning of an answer whose rest has not come yet. */
  held: Buffer;
  heldLength: number;
};

/** Operations that become due by the clock. */
type Pace = {
  /** Nanoseconds between two, and when the next one is due. */
  interval: number;
  due: number;
  /** Connections without an operation, the one that waits longest first. */
  free: Connection[];
  tickedAt: number;
};

type Run = {
  script: Script;
  limit: Limit;
  tally: Tally;
  issued: number;
  startedAt: number;
  endsAt: number;
  pace: Pace | null;
  /** Connections that still wait for answers. */
  active: number;
  finish: () => void;
  fail: (reason: Error) => void;
};

/** Each connection issues a batch, waits for all its answers, and goes on: at once, or with a pace when one is due. */
export type Traffic = {
  /** One run over all connections; `latencies` bounds its operations. Rejects on a stall. */
  drive(script: Script, limit: Limit, latencies: Uint32Array): Promise<Tally>;
  close(): void;
};

/** Opens `count` connections, then drives them. Rejects when the server refuses one. */
export async function openTraffic(address: Address, count: number): Promise<Traffic> {
  let run: Run | null = null;
  let closing = false;
  const answer: Answer = { outcome: HIT, next: Buffer.alloc(0) };
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
    next: [],
    ops: 0,
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
    tally: newTally(latencies),
    issued: 0,
    startedAt,
    endsAt: startedAt + limit.seconds * 1e9,
    pace: limit.pace === null ? null : newPace(limit.pace, startedAt),
    active: 0,
    finish: resolve,
    fail: reject,
  };
  announce(run);
  const timers = [watchProgress(run), ...(run.pace === null ? [] : [tickFor(run, run.pace)])];
  for (const connection of connections) {
    connection.turn = 0;
    connection.ops = 0;
    proceed(run, connection);
  }
  if (isOver(run)) resolve();
  return promise
    .then(() => closed(run, connections))
    .finally(() => timers.forEach((timer) => clearInterval(timer)));
}

function newTally(latencies: Uint32Array): Tally {
  const counts = { ops: 0, seconds: 0, hits: 0, misses: 0, errors: 0, firstError: null };
  return { ...counts, latencies, shares: [], timeline: [], ownDelay: 0 };
}

function newPace(rate: number, startedAt: number): Pace {
  return { interval: 1e9 / rate, due: startedAt, free: [], tickedAt: startedAt };
}

function closed(run: Run, connections: Connection[]): Tally {
  const { tally } = run;
  tally.seconds = (Bun.nanoseconds() - run.startedAt) / 1e9;
  tally.latencies = tally.latencies.subarray(0, tally.ops);
  tally.shares = connections.map(({ ops }) => ops);
  return tally;
}

/** Nothing is under way, and with a pace nothing will become due. */
function isOver({ active, pace, issued, limit }: Run): boolean {
  return active === 0 && (pace === null || issued >= limit.ops);
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

/** Sends what becomes due while no answer comes, and sees how late this process is. */
function tickFor(run: Run, pace: Pace): Timer {
  return setInterval(() => {
    const now = Bun.nanoseconds();
    const late = now - pace.tickedAt - TICK_MILLISECONDS * 1e6;
    run.tally.ownDelay = Math.max(run.tally.ownDelay, late);
    pace.tickedAt = now;
    issueDue(run, pace, now);
  }, TICK_MILLISECONDS);
}

/** What a connection does that has nothing under way. */
function proceed(run: Run, connection: Connection): void {
  const now = Bun.nanoseconds();
  if (run.pace !== null) {
    run.pace.free.push(connection);
    issueDue(run, run.pace, now);
  } else if (run.issued < run.limit.ops && now < run.endsAt) {
    issue(run, connection, now);
  }
}

function issueDue(run: Run, pace: Pace, now: number): void {
  while (pace.due <= now && run.issued < run.limit.ops) {
    const connection = pace.free.shift();
    if (connection === undefined) return;
    issue(run, connection, pace.due);
    pace.due += pace.interval;
  }
}

/** Sends the connection's next batch. The last one of a run may be shorter than the others. */
function issue(run: Run, connection: Connection, startedAt: number): void {
  const { script } = run;
  const due = Math.min(script.depth, run.limit.ops - run.issued);
  connection.turn = connection.turn < script.batches.length ? connection.turn : 0;
  send(connection, script.batches[connection.turn++]!, due);
  connection.startedAt = startedAt;
  run.issued += due;
  run.active++;
}

/** Ends the operations of the batch that was answered. */
function sendNext(connection: Connection, read: ReadAnswer): void {
  const { next } = connection;
  connection.next = [];
  const ends = [0];
  for (const command of next) ends.push((ends.at(-1) ?? 0) + command.length);
  send(
    connection,
    { requests: Buffer.concat(next), ends, readers: next.map(() => read) },
    next.length,
  );
}

function send(connection: Connection, batch: Batch, due: number): void {
  connection.batch = batch;
  connection.due = due;
  connection.answered = 0;
  connection.sent = 0;
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
    connection.answered++;
    if (answer.outcome === MORE) {
      connection.next.push(answer.next);
    } else {
      if (answer.outcome === HIT) tally.hits++;
      else count(tally, answer, bytes, from);
      tally.latencies[tally.ops++] = units;
      connection.ops++;
    }
    from += length;
  }
  keepRest(connection, bytes, from, to);
  if (run.pace !== null) enter(tally.timeline, now - run.startedAt, units);
  if (connection.answered < connection.due) return;
  if (connection.heldLength > 0) return run.fail(surplus(connection));
  goOn(run, connection);
}

function enter(timeline: number[], nanoseconds: number, units: number): void {
  const slot = Math.floor(nanoseconds / (SLOT_SECONDS * 1e9));
  while (timeline.length <= slot) timeline.push(0);
  timeline[slot] = Math.max(timeline[slot] ?? 0, units);
}

function goOn(run: Run, connection: Connection): void {
  if (connection.due === 0) return;
  const { readNext } = run.script;
  if (connection.next.length > 0 && readNext !== null) return sendNext(connection, readNext);
  connection.due = 0;
  run.active--;
  proceed(run, connection);
  if (isOver(run)) run.finish();
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
