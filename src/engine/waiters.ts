/** Somebody who waits for a message. */
export interface Waiter {
  /** The queue's name: there may be no such queue yet. */
  name: string;
  /** Called when there is a message, which it must then take. */
  wake: () => void;
  /** Called when it has waited long enough. */
  giveUp: () => void;
  timer: Timer;
}

/** All that wait, by the names of the queues, those who came first in front. */
export type Waiters = Map<string, Set<Waiter>>;

/** @param milliseconds after which `giveUp` is called */
export function addWaiter(
  waiters: Waiters,
  milliseconds: number,
  asked: Omit<Waiter, "timer">,
): Waiter {
  const timer = setTimeout(() => {
    removeWaiter(waiters, waiter);
    waiter.giveUp();
  }, milliseconds);
  const waiter: Waiter = { ...asked, timer };
  const line = waiters.get(asked.name);
  if (line === undefined) waiters.set(asked.name, new Set([waiter]));
  else line.add(waiter);
  return waiter;
}

/** Forgets the waiter; nothing happens when it is forgotten already. */
export function removeWaiter(waiters: Waiters, waiter: Waiter): void {
  clearTimeout(waiter.timer);
  const line = waiters.get(waiter.name);
  line?.delete(waiter);
  if (line?.size === 0) waiters.delete(waiter.name);
}

export function countWaiters(waiters: Waiters, name: string): number {
  return waiters.get(name)?.size ?? 0;
}

/** The one that has waited longest for the queue. */
export function firstWaiter(waiters: Waiters, name: string): Waiter | undefined {
  const line = waiters.get(name);
  return line?.values().next().value;
}
