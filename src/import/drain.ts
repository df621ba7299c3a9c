import type { Backend } from "../queues/backend.ts";
import { newOperation, type Operation } from "../queues/operation.ts";
import { reasonIn } from "../util/reason.ts";
import { DrainError } from "./peer.ts";
import type { MovedMessage, Source } from "./source.ts";

/** What a drain works with. */
export interface Drain {
  source: Source;
  backend: Backend;
  /** Whether the drain should end before it takes more. */
  stopped: () => boolean;
  /** Tells the user how far it is. */
  tell: (text: string) => void;
  /** How long leases are waited for, in milliseconds. */
  leaseWaitMs: number;
}

/** So many bytes of bodies are taken at a time at most, as far as can be foreseen. */
const MAX_BYTES = 1024 * 1024;
/** Milliseconds between two lines about the same queue. */
const PROGRESS_MS = 1000;

/**
 * Moves all messages of these queues, or of all queues there, from the source to the backend.
 * @returns how many
 * @throws DrainError when it ends before that; what was taken is committed, or still at the source
 */
export async function drain(work: Drain, queues: readonly string[] | undefined): Promise<number> {
  const { source, tell } = work;
  const { name: place, version } = source;
  const what = version === undefined ? "tells no version, as Starling" : `is version ${version}`;
  tell(`${place} ${what}; ${promiseOf(source)}`);
  const leasesUntil = performance.now() + work.leaseWaitMs;
  const names = queues ?? (await listQueues(work));
  for (const name of names) {
    const problem = source.problem(name);
    if (problem !== undefined) throw new DrainError(problem);
  }
  let moved = 0;
  for (const name of names) {
    await source.endLeases(name, Math.max(0, leasesUntil - performance.now()));
  }
  // Leases that end may have made a queue of dead letters.
  const { names: now } = queues === undefined ? await source.queues() : { names };
  for (const name of new Set([...names, ...now])) {
    const count = await drainQueue(work, name, moved);
    tell(`${displayName(name)}: ${count} messages`);
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

/** What can get lost on the way, in words for the user. */
function promiseOf({ reliable, maxBatch }: Source): string {
  if (reliable) return "it keeps each message until it is stored here";
  return `a get takes a message from it for good: if this is killed, or the connection breaks, up to ${maxBatch} are lost`;
}

/** A name as the user wrote it. */
function displayName(queue: string): string {
  return Buffer.from(queue, "latin1")
    .toString()
    .replace(/\p{Cc}/gu, "?");
}

/** @param before how many messages of other queues were moved */
async function drainQueue(work: Drain, queue: string, before: number): Promise<number> {
  const { source, stopped, tell } = work;
  let moved = 0;
  let toldAt = performance.now();
  for (let count = 1; ;) {
    if (stopped()) {
      throw new DrainError(`stopped after ${before + moved} messages; run it again for the rest`);
    }
    const messages = await move(work, queue, count);
    moved += messages.length;
    if (messages.length < count) return moved;
    if (performance.now() - toldAt >= PROGRESS_MS) {
      toldAt = performance.now();
      tell(`${displayName(queue)}: ${moved} messages so far`);
    }
    const bytes = messages.reduce((sum, { body }) => sum + body.length, 0);
    // Twice as many next time, unless that could be too large.
    count = bytes * 2 > MAX_BYTES ? Math.max(1, count >> 1) : Math.min(source.maxBatch, count * 2);
  }
}

/** Takes up to so many messages, and stores them. */
async function move(work: Drain, queue: string, count: number): Promise<MovedMessage[]> {
  const { source } = work;
  const messages: MovedMessage[] = [];
  try {
    await source.take(queue, count, messages);
  } catch (failure) {
    // What a reliable source gave is still there, and would be here twice.
    if (!source.reliable) await store(work, queue, messages);
    throw failure;
  }
  await store(work, queue, messages);
  return messages;
}

/**
 * Commits the messages, and confirms those of each commit at once: the backend may need several for them.
 * @throws DrainError when a commit fails; then its messages, and those behind it, are still at the source, or back there
 */
async function store(work: Drain, queue: string, messages: readonly MovedMessage[]): Promise<void> {
  const { source, backend } = work;
  const puts = messages.map((message) => putOf(queue, message));
  for (let stored = 0; stored < puts.length;) {
    const { count, failure } = await commit(backend, puts, stored);
    await source.confirm(queue, count);
    stored += count;
    if (failure !== undefined) {
      const reason = `cannot store what comes from ${displayName(queue)}: ${failure}`;
      throw new DrainError(`${reason}; ${await giveBack(source, queue, messages.slice(stored))}`);
    }
    backend.afterReply();
  }
}

function putOf(queue: string, { flags, body, delay, deliveries }: MovedMessage): Operation {
  const put = { kind: "put", queue, flags, body, end: body.length, alone: true } as const;
  return { ...newOperation(), ...put, delay, broughtDeliveries: deliveries };
}

/** Executes one group. @returns how many messages of it are stored, and why the next one is not, if it is not */
async function commit(
  backend: Backend,
  puts: readonly Operation[],
  from: number,
): Promise<{ count: number; failure: string | undefined }> {
  try {
    const executed = await backend.execute(puts, from, puts.length);
    const group = puts.slice(from, from + executed);
    const failed = group.findIndex(({ outcome }) => outcome !== "done");
    if (failed < 0) return { count: executed, failure: undefined };
    return { count: failed, failure: failureOf(group[failed] as Operation) };
  } catch (error) {
    return { count: 0, failure: reasonIn(error) };
  }
}

function failureOf({ outcome, error }: Operation): string {
  return outcome === "failed" ? error : "a limit forbids it";
}

/** @returns what became of the messages that were not stored, in words for the user */
async function giveBack(
  source: Source,
  queue: string,
  messages: readonly MovedMessage[],
): Promise<string> {
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
