/**
 * Messages that may be gone. A flush in parts drops some with each part, and a set may drop old ones before it is stored:
 * neither tells which. So all that may have been dropped is doubtful for the rest of the group: then a look at the queues
 * tells.
 */
import { isPaused, type Model, remove } from "./model.ts";
import { count, type Message, type Queue } from "./queue.ts";
import { touch } from "./undo.ts";

/** A part of a flush of these queues was done, or has failed. @returns what it may have dropped */
export function doubtMessages(model: Model, queues: Iterable<Queue>): Set<Message> {
  const found = new Set<Message>();
  model.hasDoubtful = true;
  for (const { available, delayed } of queues) {
    for (const message of [...available, ...delayed]) {
      message.doubtful = true;
      found.add(message);
    }
  }
  return found;
}

/** The last part is done: of what the flush found at its beginning only what has become due meanwhile may be left. */
export function dropDoomed(model: Model, doomed: ReadonlySet<Message>): void {
  for (const name of [...model.queues.keys()]) {
    const queue = touch(model, name) as Queue;
    const isGone = (message: Message) =>
      doomed.has(message) && (message.due?.first ?? Infinity) > model.time.last;
    for (const message of queue.delayed.filter(isGone)) remove(model, queue, message);
    queue.delayed = queue.delayed.filter((message) => !isGone(message));
  }
}

/** A client was given the message of this number, or 0: none. So those before it are gone. */
export function learn(model: Model, name: string, number: number): void {
  const queue = model.queues.get(name);
  if (queue?.available[0]?.doubtful !== true) return;
  if (number === 0 && isPaused(model, queue)) return;
  touch(model, name);
  while (queue.available[0]?.doubtful === true) {
    const [first] = queue.available;
    if (first.number === number) {
      first.doubtful = false;
      return;
    }
    remove(model, queue, first);
    queue.available.shift();
  }
}

/** All that is doubtful is there or not, as a look at the queues tells. */
export function settleDoubts(model: Model, numbers: (name: string) => ReadonlySet<number>): void {
  model.hasDoubtful = false;
  for (const queue of model.queues.values()) {
    if (isDoubtful(queue)) settleDoubt(model, queue, numbers(queue.name));
  }
}

function settleDoubt(model: Model, queue: Queue, numbers: ReadonlySet<number>): void {
  const isThere = (message: Message) => {
    if (message.doubtful && !numbers.has(message.number)) {
      remove(model, queue, message);
      return false;
    }
    message.doubtful = false;
    return true;
  };
  queue.available = queue.available.filter(isThere);
  queue.delayed = queue.delayed.filter(isThere);
}

export function isDoubtful({ available, delayed }: Queue): boolean {
  return available.some(({ doubtful }) => doubtful) || delayed.some(({ doubtful }) => doubtful);
}

/** How many messages there are, at least and at most. */
export function countCertain(queue: Queue): number {
  const { available, delayed } = queue;
  const doubtful = [...available, ...delayed].filter((message) => message.doubtful).length;
  return count(queue) - doubtful;
}
