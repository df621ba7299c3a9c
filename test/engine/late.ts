/** An engine whose backend keeps the contract, and answers when the test says so. */
import type { Backend, Later } from "../../src/queues/backend.ts";
import { newRig, type Rig, settle } from "./rig.ts";

/** When the backend does the work: as soon as it is asked, or right before it answers. */
export type When = "at once" | "late";

export interface Late {
  rig: Rig;
  /** How many operations each call was asked for; 0 for what is due. */
  calls: number[];
  /** A call is on its way. */
  isBusy(): boolean;
  /** Lets the call that is on its way come back, and the engine go on. */
  finish(): Promise<void>;
}

/** @param most operations that are executed in one call */
export function newLate(when: When, most = Infinity): Late {
  const calls: number[] = [];
  let answer: (() => void) | undefined;
  /** Does work that the test lets come back; two at a time are a mistake. */
  function later<T>(operations: number, work: () => T): Promise<T> {
    if (answer !== undefined) throw new Error("two calls are on their way");
    calls.push(operations);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const done = when === "at once" ? Promise.try(work) : undefined;
    answer = () => void (done ?? Promise.try(work)).then(resolve, reject);
    return promise;
  }
  const rig = newRig((backend): Backend => ({
    ...backend,
    execute: (operations, from, to) =>
      later(to - from, () => backend.execute(operations, from, Math.min(to, from + most))),
    doDue: () => later(0, () => backend.doDue()),
  }));
  return {
    rig,
    calls,
    isBusy: () => answer !== undefined,
    async finish() {
      const resolve = answer;
      answer = undefined;
      resolve?.();
      // The engine goes on in the turns of microtasks behind it.
      for (let n = 0; n < 8; n++) await Promise.resolve();
      settle(rig);
    },
  };
}

export async function finishAll(late: Late): Promise<void> {
  settle(late.rig);
  for (let n = 0; late.isBusy(); n++) {
    if (n > 10_000) throw new Error("there is no end to it");
    await late.finish();
  }
}

/** The backend answers all that others than the engine ask in a later turn of the loop, and tells of queues one by one. */
export function answeringLater(backend: Backend): Backend {
  const later = async <T>(ask: () => Later<T>): Promise<T> => {
    await new Promise((resolve) => setImmediate(resolve));
    return ask();
  };
  return {
    ...backend,
    async *summaries(names) {
      for await (const portion of backend.summaries(names)) {
        for (const summary of portion) yield await later(() => [summary]);
      }
    },
    summary: (name) => later(() => backend.summary(name)),
    oldestArrival: (name) => later(() => backend.oldestArrival(name)),
    previews: (name, most, after) => later(() => backend.previews(name, most, after)),
    heldMessages: (name, most) => later(() => backend.heldMessages(name, most)),
    probe: () => later(() => backend.probe()),
    maintain: () => later(() => backend.maintain()),
    close: () => later(() => backend.close()),
  };
}
