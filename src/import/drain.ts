import { type Broker, setMessage } from "../queues/local/broker.ts";
import { cancel, commit } from "../queues/local/commit.ts";
import { reasonIn } from "../store/store.ts";
import { DrainError } from "./peer.ts";
import type { Moved, Source } from "./source.ts";

/** What a drain works with. */
export interface Drain {
  source: Source;
  broker: Broker;
  /** Whether it is to end now. */
  stopped: () => boolean;
  /** Tells the user how far it is. */
  tell: (text: string) => void;
}

/** So many bytes of bodies are taken at a time at most, as far as can be foreseen. */
const MOST_BYTES = 1024 * 1024;
/** Milliseconds between two lines about the same queue. */
const PROGRESS = 1000;

/**
 * Moves all messages of these queues, or of all queues there, from the source to the broker.
 * @returns how many
 * @throws DrainError when it ends before that; what was taken is committed, or still at the source
 */
export async function drain(work: Drain, queues: readonly string[] | undefined): Promise<number> {
  const { source, tell } = work;
  tell(`${source.name} is version ${source.version}; ${promiseOf(source)}`);
  const names = queues ?? (await listQueues(work));
  let moved = 0;
  for (const name of names) {
    const count = await drainQueue(work, name, moved);
    tell(`${shown(name)}: ${count} messages`);
    moved += count;
  }
  return moved;
}

async function listQueues({ source, tell }: Drain): Promise<string[]> {
  const { names, isCut } = await source.queues();
  if (isCut) {
    tell(
      `${source.name} has told ${names.length} queues, and may have more than MemcacheQ 0.2 can list: ` +
        "name the others, with --queues",
    );
  }
  return names;
}

/** What can get lost on the way. */
function promiseOf({ reliable, most }: Source): string {
  if (reliable) return "it keeps each message until it is stored here";
  return `a get takes a message from it for good: if this is killed, or the connection breaks, up to ${most} are lost`;
}

/** A name as the user wrote it. */
function shown(queue: string): string {
  return Buffer.from(queue, "latin1")
    .toString()
    .replace(/\p{Cc}/gu, "?");
}

/** @param before how many messages of other queues were moved */
async function drainQueue(work: Drain, queue: string, before: number): Promise<number> {
  const { source, stopped, tell } = work;
  let moved = 0;
  let told = Date.now();
  for (let count = 1; ;) {
    if (stopped()) {
      throw new DrainError(`stopped after ${before + moved} messages; run it again for the rest`);
    }
    const messages = await move(work, queue, count);
    moved += messages.length;
    if (messages.length < count) return moved;
    if (Date.now() - told >= PROGRESS) {
      told = Date.now();
      tell(`${shown(queue)}: ${moved} messages so far`);
    }
    const bytes = messages.reduce((sum, { body }) => sum + body.length, 0);
    // Twice as many next time, unless that could be too large.
    count = bytes * 2 > MOST_BYTES ? Math.max(1, count >> 1) : Math.min(source.most, count * 2);
  }
}

/** Takes up to so many messages, and commits them. */
async function move(work: Drain, queue: string, count: number): Promise<Moved[]> {
  const { source } = work;
  const messages: Moved[] = [];
  try {
    await source.take(queue, count, messages);
  } catch (failure) {
    // What a reliable source gave is still there, and would be here twice.
    if (!source.reliable) await store(work, queue, messages);
    throw failure;
  }
  await store(work, queue, messages);
  await source.confirm(queue);
  return messages;
}

async function store({ source, broker }: Drain, queue: string, messages: Moved[]): Promise<void> {
  try {
    for (const { flags, body } of messages) {
      setMessage(broker, queue, flags, body, 0, body.length, true);
    }
    commit(broker);
  } catch (failure) {
    cancel(broker);
    const reason = `cannot store what comes from ${shown(queue)}: ${reasonIn(failure)}`;
    throw new DrainError(`${reason}; ${await giveBack(source, queue, messages)}`);
  }
  broker.store.relieve();
}

/** @returns what became of them, in words for the user */
async function giveBack(source: Source, queue: string, messages: Moved[]): Promise<string> {
  if (source.reliable) return "it is still there";
  let given = 0;
  try {
    for (const message of messages) {
      await source.giveBack(queue, message);
      given++;
    }
  } catch (failure) {
    const lost = messages.length - given;
    return `${lost} messages could not be given back and are lost: ${(failure as Error).message}`;
  }
  return `the ${given} messages that were on their way are at the end of the queue there`;
}
