import { displayName } from "../../http/queue_name.ts";
import type { Peer } from "../../import/peer.ts";

/** A queue as `--top` shows it. */
export interface QueueLine {
  /** A byte of the name is a character from U+0000 to U+00FF. */
  name: string;
  /** The name for people. */
  shown: string;
  messages: number;
  sets: number;
  gets: number;
  /** Messages a second since the snapshot before; undefined when there is none. */
  in: number | undefined;
  out: number | undefined;
  /** Of the oldest message, in milliseconds. Undefined, like what follows, for a queue that is not looked into. */
  age: number | undefined;
  waiting: number | undefined;
  open: number | undefined;
  /** Of the bodies. */
  bytes: number | undefined;
}

/** What the server says of itself and of all its queues at one moment. */
export interface Snapshot {
  /** When it was asked, by performance.now(). */
  at: number;
  server: ServerLine;
  queues: QueueLine[];
}

export interface ServerLine {
  version: string;
  /** Seconds since the start. */
  uptime: number;
  connections: number;
}

/** So many queues are looked into: those with the most messages. */
export const MAX_DETAILED = 1000;
/** Queues that are asked about together. */
const PORTION = 100;

/** Asks a server of this kind for all its queues. @throws Error in words for the user */
export async function takeSnapshot(peer: Peer, before: Snapshot | undefined): Promise<Snapshot> {
  const at = performance.now();
  const server = await readServer(peer);
  const queues = await readQueues(peer);
  if (before !== undefined) addRates(queues, before, (at - before.at) / 1000);
  queues.sort((a, b) => b.messages - a.messages);
  for (let from = 0; from < Math.min(queues.length, MAX_DETAILED); from += PORTION) {
    await addDetails(peer, queues.slice(from, Math.min(from + PORTION, MAX_DETAILED)));
  }
  return { at, server, queues };
}

async function readServer(peer: Peer): Promise<ServerLine> {
  const stats = new Map(await ask(peer, "stats"));
  const number = (name: string) => Number(stats.get(name) ?? 0);
  return {
    version: stats.get("version") ?? "?",
    uptime: number("uptime"),
    connections: number("curr_connections"),
  };
}

async function readQueues(peer: Peer): Promise<QueueLine[]> {
  const lines = await ask(peer, "stats queue");
  return lines.map(([name, counters]) => {
    const [sets = 0, gets = 0] = counters.split("/").map(Number);
    const rates = { in: undefined, out: undefined };
    const details = { age: undefined, waiting: undefined, open: undefined, bytes: undefined };
    const shown = displayName(name);
    return { name, shown, messages: sets - gets, sets, gets, ...rates, ...details };
  });
}

/** A queue that was deleted and made anew meanwhile has smaller counters. */
function addRates(queues: QueueLine[], before: Snapshot, seconds: number): void {
  const earlier = new Map(before.queues.map((queue) => [queue.name, queue]));
  for (const queue of queues) {
    const { sets, gets } = earlier.get(queue.name) ?? { sets: 0, gets: 0 };
    queue.in = Math.max(0, (queue.sets - sets) / seconds);
    queue.out = Math.max(0, (queue.gets - gets) / seconds);
  }
}

async function addDetails(peer: Peer, queues: QueueLine[]): Promise<void> {
  peer.send(queues.map(({ name }) => `stats queue ${name}\r\n`).join(""));
  for (const queue of queues) {
    // A queue that is gone by now has no lines.
    const stats = new Map(await readAnswer(peer));
    const number = (name: string) => Number(stats.get(name) ?? 0);
    queue.age = number("age");
    queue.waiting = number("waiters");
    queue.open = number("open");
    queue.bytes = number("bytes");
  }
}

function ask(peer: Peer, command: string): Promise<[name: string, value: string][]> {
  peer.send(`${command}\r\n`);
  return readAnswer(peer);
}

/** The lines `STAT <name> <value>` up to `END`. @throws Error with the line that is neither */
async function readAnswer(peer: Peer): Promise<[name: string, value: string][]> {
  const stats: [name: string, value: string][] = [];
  for (let line = await peer.line(); line !== "END"; line = await peer.line()) {
    const [word, name = "", ...rest] = line.split(" ");
    if (word !== "STAT") throw new Error(`it answers ${displayName(line)}`);
    stats.push([name, rest.join(" ")]);
  }
  return stats;
}
