/** Faults of a store, and a backend that answers later. Both keep the contracts of `Store` and `Backend`. */
import type { Backend } from "../../src/queues/backend.ts";
import type { LocalBackend } from "../../src/queues/local/local.ts";
import type { Operation, Outcome } from "../../src/queues/operation.ts";
import { type Store, StoreError } from "../../src/store/store.ts";
import type { Fault } from "./plan.ts";
import type { Time } from "./time.ts";

/** What the store did to the engine, in order. */
export type Event =
  | { what: "failed"; reason: string }
  | { what: "in doubt"; reason: string; kept: boolean }
  | { what: "not recovered"; reason: string }
  | { what: "recovered"; leased: ReadonlyMap<string, ReadonlySet<number>> };

/** What an operation had come to by itself, before the commit of its group failed. */
export interface Own {
  outcome: Outcome;
  error: string;
}

export interface Faults {
  /** How often each of them is still to happen. */
  due: Record<Fault, number>;
  /** What happened since it was last asked. */
  events: Event[];
  /** The group that is being executed, from this operation on; and what its operations came to when its commit failed. */
  group: { operations: readonly Operation[]; from: number } | undefined;
  own: Own[] | undefined;
  /** Reasons of reads that failed meanwhile, and of checkpoints. */
  reads: string[];
  checkpoints: string[];
  /** The judge reads what is there, and no read fails for it. */
  isLooking: boolean;
  /** A sync failed: the change is in the file, or not. */
  doubt: { kept: boolean } | undefined;
  /** So many faults have happened: each has a reason of its own. */
  count: number;
  commits: number;
}

export function newFaults(): Faults {
  const due = { commit: 0, "sync kept": 0, "sync lost": 0, recover: 0, read: 0, checkpoint: 0 };
  return {
    due,
    events: [],
    group: undefined,
    own: undefined,
    reads: [],
    checkpoints: [],
    isLooking: false,
    doubt: undefined,
    count: 0,
    commits: 0,
  };
}

export function noMoreFaults({ due }: Faults): void {
  for (const fault of Object.keys(due) as Fault[]) due[fault] = 0;
}

/** @param commitMs how long a commit takes at most */
export function withFaults(store: Store, faults: Faults, time: Time, commitMs: number): Store {
  const { due, events } = faults;
  const strikes = (fault: Fault) => due[fault] > 0 && due[fault]-- > 0;
  const reasonOf = (text: string) => `${text} ${++faults.count}`;
  /** All operations of the group fail now, and do not tell any more which ones had failed by themselves. */
  const keepOwn = () => {
    const { operations = [], from = 0 } = faults.group ?? {};
    faults.own = operations.slice(from).map(({ outcome, error }) => ({ outcome, error }));
  };
  return {
    ...store,
    queues: () => {
      const queues = store.queues();
      if (faults.doubt !== undefined) {
        faults.doubt = undefined;
        const leased = queues.map(({ name, delivery }) => {
          return [name, new Set(delivery?.leases.map(({ number }) => number))] as const;
        });
        events.push({ what: "recovered", leased: new Map(leased) });
      }
      return queues;
    },
    commit(batch) {
      if (faults.doubt !== undefined) throw new Error("a commit before the recovery");
      faults.commits++;
      time.now += (time.random.below(100) / 100) * commitMs;
      if (strikes("commit")) {
        const reason = reasonOf("disk full");
        keepOwn();
        events.push({ what: "failed", reason });
        throw new StoreError(reason);
      }
      const isKept = strikes("sync kept");
      if (!isKept && !strikes("sync lost")) return store.commit(batch);
      if (isKept) store.commit(batch);
      faults.doubt = { kept: isKept };
      const reason = reasonOf("sync failed");
      keepOwn();
      events.push({ what: "in doubt", reason: `${reason}, outcome unknown`, kept: isKept });
      throw new StoreError(reason, "unknown");
    },
    recover() {
      if (faults.doubt === undefined || !strikes("recover")) return store.recover();
      const reason = reasonOf("cannot open");
      events.push({ what: "not recovered", reason });
      throw new StoreError(reason);
    },
    read(queue, from, bytes) {
      if (faults.isLooking || !strikes("read")) return store.read(queue, from, bytes);
      const reason = reasonOf("cannot read");
      faults.reads.push(reason);
      throw new StoreError(reason);
    },
    checkpoint(how) {
      if (!strikes("checkpoint")) return store.checkpoint(how);
      const reason = reasonOf("no checkpoint");
      faults.checkpoints.push(reason);
      throw new StoreError(reason);
    },
  };
}

/** The backend, which lets the faults know what it executes. */
export function watched(backend: LocalBackend, faults: Faults): LocalBackend {
  return {
    ...backend,
    execute(operations, from, to) {
      faults.group = { operations, from };
      const executed = backend.execute(operations, from, to);
      faults.group = undefined;
      return executed;
    },
  };
}

/** A call of the backend that is on its way. */
export interface Call {
  /** Turns of the loop until it is answered. */
  turns: number;
  operations: readonly Operation[];
  from: number;
  /** How many were executed; undefined when the work is still to be done. */
  executed: number | undefined;
  work: () => number;
  answer: (executed: number) => void;
}

/** The backend answers later. @param started is given each call */
export function answeringLater(
  backend: Backend,
  isEarly: boolean,
  most: number,
  started: (call: Omit<Call, "turns">) => void,
): Backend {
  return {
    ...backend,
    execute(operations, from, to) {
      const { promise, resolve } = Promise.withResolvers<number>();
      const work = () => backend.execute(operations, from, Math.min(to, from + most)) as number;
      const executed = isEarly ? work() : undefined;
      started({ operations, from, executed, work, answer: resolve });
      return promise;
    },
  };
}
