/**
 * With --fanout a queue named `<parent>+<name>` is a child of the parent: it gets a copy of each message that is set to
 * it. The names are Kestrel's.
 * @returns the parent's name; undefined when the queue is no child
 */
export function parentOf(queue: string): string | undefined {
  const plus = queue.indexOf("+");
  return plus > 0 && plus < queue.length - 1 ? queue.slice(0, plus) : undefined;
}
