import { parentOf } from "../child.ts";

/** The names of the children of each parent, which get copies with --fanout: see copies.ts. */
export type Children = Map<string, Set<string>>;

export function newChildren(queues: Iterable<string>): Children {
  const children: Children = new Map();
  for (const queue of queues) noteMade(children, queue);
  return children;
}

/** There is such a queue now. */
export function noteMade(children: Children, queue: string): void {
  const parent = parentOf(queue);
  if (parent === undefined) return;
  const names = children.get(parent);
  if (names === undefined) children.set(parent, new Set([queue]));
  else names.add(queue);
}

/** There is no such queue any more. */
export function noteRemoved(children: Children, queue: string): void {
  const parent = parentOf(queue);
  if (parent === undefined) return;
  const names = children.get(parent);
  names?.delete(queue);
  if (names?.size === 0) children.delete(parent);
}
