import type { Socket } from "bun";

import type { Address } from "../address.ts";
import {
  connect,
  type Connection,
  flush,
  hold,
  keepRest,
  receiveGreeting,
  send,
  surplus,
} from "./connection.ts";
import { type Answer, type Encoder, HIT, MORE, type ReadAnswer } from "./dialect/dialect.ts";
import { toUnits } from "./latency.ts";
import { batchOf, type Script, type Scripts } from "./script.ts";
import { countIn, enter, newTally, type Tally } from "./tally.ts";

const STALLED_AFTER_SECONDS = 10;
const TICK_MILLISECONDS = 1;

/**
 * How long a run goes on: until `ops` operations were issued, or `seconds` have passed. With a pace, so many of them
 * become due each second, and a latency counts from then; otherwise from when a connection sends.
 */
export type Limit = { ops: number; seconds: number; pace: number | null };

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
  drive(scripts: Scripts, limit: Limit, latencies: Uint32Array): Promise<Tally>;
  close(): void;
};

/** Opens a connection for each encoder, then drives them. Rejects when the server refuses one. */
export async function openTraffic(
  address: Address,
  encoders: readonly Encoder[],
): Promise<Traffic> {
  let run: Run | null = null;
  let closing = false;
  const answer: Answer = { outcome: HIT, next: Buffer.alloc(0) };
  const lost = ({ data }: Socket<Connection>): void => {
    const reason = new Error(`the server closed a connection (${progress(run)})`);
    data?.greeting?.reject(reason);
    if (!closing) run?.fail(reason);
  };
  const handlers = {
    data(socket: Socket<Connection>, chunk: Buffer): void {
      if (run !== null) receive(run, answer, socket.data, chunk);
      else receiveGreeting(socket.data, chunk);
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
    encoders.map(({ greetings }) => connect(address, handlers, greetings)),
  );
  return {
    async drive(scripts, limit, latencies) {
      const bounded = { ...limit, ops: Math.min(limit.ops, latencies.length) };
      try {
        return await start(connections, scripts, bounded, latencies, (started) => (run = started));
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

function start(
  connections: Connection[],
  scripts: Scripts,
  limit: Limit,
  latencies: Uint32Array,
  announce: (run: Run) => void,
): Promise<Tally> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const startedAt = Bun.nanoseconds();
  const run: Run = {
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
  for (const [client, connection] of connections.entries()) {
    connection.script = scripts[client] as Script;
    connection.turn = 0;
    connection.ops = 0;
    proceed(run, connection);
  }
  if (isOver(run)) resolve();
  return promise
    .then(() => closed(run, connections))
    .finally(() => timers.forEach((timer) => clearInterval(timer)));
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
  const { script } = connection;
  const due = Math.min(script.depth, run.limit.ops - run.issued);
  connection.turn = connection.turn < script.batches.length ? connection.turn : 0;
  const batch = script.batches[connection.turn++]!;
  script.renew?.(batch.requests);
  send(connection, batch, due);
  connection.startedAt = startedAt;
  run.issued += due;
  run.active++;
}

/** Ends the operations of the batch that was answered. */
function sendNext(connection: Connection, read: ReadAnswer): void {
  const { next } = connection;
  connection.next = [];
  send(
    connection,
    batchOf(
      next,
      next.map(() => read),
    ),
    next.length,
  );
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
      countIn(tally, answer, units, bytes, from);
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

function goOn(run: Run, connection: Connection): void {
  if (connection.due === 0) return;
  const { readNext } = connection.script;
  if (connection.next.length > 0 && readNext !== null) return sendNext(connection, readNext);
  connection.due = 0;
  run.active--;
  proceed(run, connection);
  if (isOver(run)) run.finish();
}
