import { type Activity, activityOf } from "../engine/session.ts";
import type { Monitor } from "./monitor.ts";
import { beginSlice, isSliceOver, nextSlice } from "./time_slice.ts";

/** How many connections there are by what they do. */
export async function countActivities(
  monitor: Monitor,
  signal: AbortSignal,
): Promise<Record<Activity, number>> {
  const counts = { ready: 0, waiting: 0, blocked: 0, ending: 0 };
  const slice = beginSlice(monitor.work.slices, signal);
  for (const { session } of monitor.clients.connections) {
    counts[activityOf(session)]++;
    if (isSliceOver(slice)) await nextSlice(slice);
  }
  return counts;
}

/** How many connections each account has; "" is for those that have not authenticated. */
export async function countNames(
  monitor: Monitor,
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const slice = beginSlice(monitor.work.slices, signal);
  for (const { session } of monitor.clients.connections) {
    const name = session.account?.name ?? "";
    counts.set(name, (counts.get(name) ?? 0) + 1);
    if (isSliceOver(slice)) await nextSlice(slice);
  }
  return counts;
}

/** How many connections there are with and without TLS. */
export async function countTls(
  monitor: Monitor,
  signal: AbortSignal,
): Promise<Record<"yes" | "no", number>> {
  const counts = { yes: 0, no: 0 };
  const slice = beginSlice(monitor.work.slices, signal);
  for (const { isTls } of monitor.clients.connections) {
    counts[isTls ? "yes" : "no"]++;
    if (isSliceOver(slice)) await nextSlice(slice);
  }
  return counts;
}
