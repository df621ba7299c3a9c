/** Leases that clients know of: plans name them by their place, since their numbers come with the run. */
import type { Ask } from "./ask.ts";
import type { Judge } from "./state.ts";

/** The request with the number of the lease that it means: one of its queue, counted from the latest. */
export function withLease({ told }: Judge, ask: Ask): Ask {
  const { lease, kind, closes, queue } = ask;
  if (lease === undefined) return ask;
  const wanted = kind === "set" ? closes : queue;
  const known = told.filter((each) => each.queue === wanted);
  const found = known.at(-1 - (lease % Math.max(1, known.length)));
  return { ...ask, number: found?.told ?? 1 + (lease % 3) };
}
