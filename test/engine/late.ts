/** An engine whose backend keeps the contract, and answers when the test says so. */
import type { Backend } from "../../src/queues/backend.ts";
import { newRig, type Rig, settle } from "./rig.ts";

/** When the backend does the work: as soon as it is asked, or right before it answers. */
export type When = "at once" | "late";

export interface Late {
  rig: Rig;
  /** How many operations each call was asked for. */
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
  const around = (backend: Backend): Backend => ({
    ...backend,
    execute(operations, from, to) {
      if (answer !== undefined) throw new Error("two calls are on their way");
      calls.push(to - from);
      const { promise, resolve } = Promise.withResolvers<number>();
      const work = () => backend.execute(operations, from, Math.min(to, from + most)) as number;
      const done = when === "at once" ? work() : undefined;
      answer = () => resolve(done ?? work());
      return promise;
    },
  });
  const rig = newRig(around);
  return {
    rig,
    calls,
    isBusy: () => answer !== undefined,
    async finish() {
      const resolve = answer;
      answer = undefined;
      resolve?.();
      // The engine goes on in the turns of microtasks behind it.
      for (let n = 0; n < 4; n++) await Promise.resolve();
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
