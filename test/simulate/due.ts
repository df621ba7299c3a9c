/** What the queues do by the clock, and tell nobody: leases end, delayed messages are due. It is seen by looking at them. */
import { endLease } from "./holding.ts";
import { insert, type Lease } from "./queue.ts";
import type { Judge } from "./state.ts";
import { commit } from "./undo.ts";
import { Violation } from "./violation.ts";

/** So late a lease may end that is over, in milliseconds: after a failure it is tried again a second later. */
const MAX_LATE_MS = 3000;

/** Leases that are not there any more have ended. @param leased the numbers of messages that still are leased */
export function endLeases(
  { model, look }: Judge,
  leased: (name: string) => ReadonlySet<number>,
): void {
  const ended: { name: string; id: number; lease: Lease }[] = [];
  for (const { name, leased: known } of model.queues.values()) {
    if (known.size === 0) continue;
    const left = leased(name);
    for (const [number, lease] of known) {
      if (left.has(number)) continue;
      if (lease.due.first > model.time.last) {
        const early = Math.round(lease.due.first - model.time.last);
        throw new Violation(`the lease of ${number} of ${name} ends ${early} ms early`);
      }
      ended.push({ name, id: look.idOf(name), lease });
    }
  }
  // Their order is that in which dead letters arrive.
  const order = (a: (typeof ended)[number], b: typeof a) =>
    a.lease.due.first - b.lease.due.first ||
    a.id - b.id ||
    a.lease.message.number - b.lease.message.number;
  for (const { name, lease } of ended.sort(order)) endLease(model, name, lease.message.number);
  commit(model);
}

/** Delayed messages that do not wait any more can be delivered. */
export function bringDue({ model, look }: Judge): void {
  for (const queue of model.queues.values()) {
    if (!queue.delayed.some(({ due }) => (due?.first ?? 0) <= model.time.last)) continue;
    const waiting = look.waiting(queue.name);
    const brought = queue.delayed.filter(({ number }) => !waiting.has(number));
    for (const message of brought) {
      const { due, number, doubtful } = message;
      if (!doubtful && (due?.first ?? 0) > model.time.last) {
        const early = Math.round((due?.first ?? 0) - model.time.last);
        throw new Violation(`number ${number} of ${queue.name} is due ${early} ms early`);
      }
      insert(queue, message);
    }
    queue.delayed = queue.delayed.filter(({ number }) => waiting.has(number));
  }
}

/** When new leases end is known to the millisecond by looking. */
export function sharpenLeases({ model, look }: Judge, names: ReadonlySet<string>): void {
  for (const name of names) {
    const queue = model.queues.get(name);
    if (queue === undefined || queue.leased.size === 0) continue;
    const ends = look.leases(name);
    for (const [number, lease] of queue.leased) {
      const end = ends.get(number);
      const { first, last } = lease.due;
      if (end === undefined) throw new Violation(`${number} of ${name} is leased, and is not`);
      if (end < first || end > last) {
        throw new Violation(
          `the lease of ${number} of ${name} ends at ${end}, not ${first}..${last}`,
        );
      }
      const due = { first: end, last: end };
      const written = lease.written === lease.due ? due : lease.written;
      queue.leased.set(number, { ...lease, due, written });
    }
  }
}

export function checkLeases({ model, now, hinderedAt }: Judge): void {
  for (const { name, leased } of model.queues.values()) {
    for (const [number, { due }] of leased) {
      if (Math.max(due.last, hinderedAt) + MAX_LATE_MS < now()) {
        throw new Violation(`the lease of ${number} of ${name} is over, and has not ended`);
      }
    }
  }
}
