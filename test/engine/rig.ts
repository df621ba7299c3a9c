/** An engine over a real store, clients that write down what they are sent, and a clock that tests move. */
import { closeSession } from "../../src/engine/disconnect.ts";
import type { Engine, Session, Sink } from "../../src/engine/engine.ts";
import { newEngine } from "../../src/engine/open.ts";
import { newSession, receive, receiveEnd } from "../../src/engine/session.ts";
import type { Backend, Watcher } from "../../src/queues/backend.ts";
import { type LocalBackend, openLocal } from "../../src/queues/local/local.ts";
import type { Store } from "../../src/store/store.ts";
import { newHome, open } from "../store/scratch.ts";

export interface Rig {
  engine: Engine;
  backend: LocalBackend;
  store: Store;
  /** Milliseconds on the monotonic clock. */
  now: number;
  /** What the event loop would call next, and what it would call when its time has come. */
  soon: (() => void)[];
  timers: Set<{ at: number; work: () => void }>;
}

export interface Client {
  session: Session;
  /** All that it was sent since the last look. */
  received(): string;
  /** Bytes do not reach it any more, and the server is told so when it sends. */
  isDeaf: boolean;
  ended: boolean;
}

/** @param around puts something around the backend that answers at once */
export function newRig(around: (backend: LocalBackend) => Backend = (backend) => backend): Rig {
  const store = open(newHome());
  const rig: Omit<Rig, "engine" | "backend"> = { store, now: 0, soon: [], timers: new Set() };
  const settings = {
    maxBody: 1024 * 1024,
    waitsForDisk: false,
    logBuffer: 1024 * 1024,
    version: "1",
    statsQueues: 1000,
  };
  const runtime = {
    monotonic: () => rig.now,
    calendar: () => Date.now(),
    soon: (work: () => void) => void rig.soon.push(work),
    after(milliseconds: number, work: () => void) {
      const timer = { at: rig.now + milliseconds, work };
      rig.timers.add(timer);
      return () => void rig.timers.delete(timer);
    },
    process: () => ({ pid: 1, user: 0, system: 0 }),
  };
  let local: LocalBackend | undefined;
  const engine = newEngine(settings, runtime, (watcher: Watcher) => {
    local = openLocal(store, watcher, {
      cacheLimit: 1024 * 1024,
      limits: { messages: Infinity, bytes: Infinity },
      tricklePercent: 0,
      clock: runtime,
      warn: () => {},
    });
    return around(local);
  });
  return Object.assign(rig, { engine, backend: local as unknown as LocalBackend });
}

export function newClient({ engine }: Rig): Client {
  let sent = "";
  const client = { isDeaf: false, ended: false };
  const sink: Sink = {
    client: () => "client of a test",
    send(bytes, start, end) {
      if (client.isDeaf) return false;
      sent += bytes.toString("latin1", start, end);
      return true;
    },
    room: () => Infinity,
    blocked: false,
    pressure: { outputFull: false },
    awaitRoom: () => {},
    gathered: () => {},
    end: () => void (client.ended = true),
  };
  const session = newSession(engine, sink, { id: 1, hasConnection: true, binary: false });
  const received = () => {
    const all = sent;
    sent = "";
    return all;
  };
  return Object.assign(client, { session, received });
}

/** The client sends lines, which are only gathered yet. */
export function send({ session }: Client, ...lines: string[]): void {
  for (const line of lines) receive(session, Buffer.from(`${line}\r\n`, "latin1"));
}

export function put(client: Client, queue: string, body: string): void {
  send(client, `set ${queue} 0 0 ${body.length}`, body);
}

/** The client ends its side of the connection. */
export function end({ session }: Client): void {
  receiveEnd(session);
}

/** The connection is gone. */
export function disconnect({ session }: Client): void {
  closeSession(session);
}

/** Calls what the event loop would call, until there is nothing left to do. */
export function settle(rig: Rig): void {
  for (let n = 0; rig.soon.length > 0; n++) {
    if (n > 10_000) throw new Error("there is no end to it");
    for (const work of rig.soon.splice(0)) work();
  }
}

/** Moves the clock, and calls the timers whose time has come. */
export function advance(rig: Rig, milliseconds: number): void {
  rig.now += milliseconds;
  for (const timer of [...rig.timers].sort((a, b) => a.at - b.at)) {
    if (timer.at > rig.now || !rig.timers.delete(timer)) continue;
    timer.work();
  }
}

/** The messages that a reply of text has, by their bodies; "END" when it has none. */
export function bodiesIn(reply: string): string[] {
  const bodies = [...reply.matchAll(/VALUE \S+ \d+ \d+\r\n(.*?)\r\n/gs)].map(
    ([, body]) => body ?? "",
  );
  return bodies.length === 0 && reply.startsWith("END") ? ["END"] : bodies;
}
