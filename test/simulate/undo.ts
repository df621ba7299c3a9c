/** Commits of groups, and what undoes them: a failed commit, a failed sync, a crash. */
import type { Model } from "./model.ts";
import { copyOf, giveOpenBack, type Message, newTally, type Queue, type Span } from "./queue.ts";

/** The queue, which the group uses from now on. */
export function touch(model: Model, name: string): Queue | undefined {
  const queue = model.queues.get(name);
  if (!model.before.has(name)) model.before.set(name, queue && copyOf(queue));
  return queue;
}

/** The group is committed. */
export function commit(model: Model): void {
  model.before.clear();
  model.settled.clear();
}

/** The group failed: what was open before, and was not closed or put back, is open still. */
export function rollBack(model: Model): void {
  const isSettled = (message: Message) => model.settled.has(message);
  for (const [name, before] of model.before) {
    if (before === undefined) model.queues.delete(name);
    else model.queues.set(name, giveOpenBack(before, isSettled));
  }
  model.bytes = bytesOf(model.queues);
  commit(model);
}

/** The sync of the group failed: until the file was read anew all is refused. */
export function doubt(model: Model, reason: string, isKept: boolean): void {
  const kept = isKept
    ? new Map([...model.queues].map(([name, queue]) => [name, copyOf(queue)]))
    : undefined;
  rollBack(model);
  model.doubt = { kept, reason, since: model.time.first };
}

/** The queues are what the file has; a client keeps what it has open, if that is in the file. */
export function recover(model: Model): void {
  const { queues } = model;
  const kept = model.doubt?.kept;
  model.doubt = undefined;
  for (const queue of (kept ?? queues).values()) bringAnew(queue);
  if (kept === undefined) return;
  for (const queue of kept.values()) {
    const now = queues.get(queue.name);
    giveOpenBack(queue, () => true);
    bringAnew(queue);
    if (now?.serial !== queue.serial) continue;
    for (const [client, { number }] of now.open) {
      const lists = [queue.available, queue.delayed];
      for (const list of lists) {
        const at = list.findIndex((message) => message.number === number);
        if (at >= 0) queue.open.set(client, ...(list.splice(at, 1) as [Message]));
      }
    }
  }
  model.queues = kept;
  model.bytes = bytesOf(kept);
}

/**
 * The process has ended: the queues are what is on the disk, and no message is open.
 * @param shift milliseconds by which what is delayed is due later
 * @param lookMs how long a look at the clock takes: the server looks at two of them when it starts
 */
export function restart(model: Model, shift: number, lookMs: number): void {
  rollBack(model);
  recover(model);
  const slack = 2 + 4 * lookMs;
  const later = ({ first, last }: Span): Span => {
    return { first: first + shift - slack, last: last + shift + slack };
  };
  for (const queue of model.queues.values()) {
    giveOpenBack(queue, () => true);
    bringAnew(queue);
    queue.delayed = queue.delayed.map((each) => ({ ...each, due: each.due && later(each.due) }));
    for (const [id, set] of queue.ids) queue.ids.set(id, later(set));
    for (const [number, lease] of queue.leased) {
      const written = later(lease.written);
      queue.leased.set(number, { ...lease, due: written, written });
    }
    queue.tally = newTally();
  }
}

/** No lease lasts longer than its whole length from the start, which was between these moments. */
export function capLeases(model: Model, start: Span): void {
  for (const { leased } of model.queues.values()) {
    for (const [number, lease] of leased) {
      const { due, lengthMs } = lease;
      const first = Math.min(due.first, start.first + lengthMs - 1);
      const last = Math.min(due.last, start.last + lengthMs + 1);
      leased.set(number, { ...lease, due: { first, last } });
    }
  }
}

/** What was delayed and is due is brought once more. */
function bringAnew(queue: Queue): void {
  queue.delayed.push(...queue.available.filter(({ due }) => due !== undefined));
  queue.available = queue.available.filter(({ due }) => due === undefined);
}

function bytesOf(queues: Map<string, Queue>): number {
  let bytes = 0;
  for (const queue of queues.values()) bytes += queue.bytes;
  return bytes;
}
