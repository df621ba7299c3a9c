import type { QueueDetails, QueueSummary } from "../summary.ts";
import { nameOf } from "./names.ts";
import { settingsFor, type Shared } from "./state.ts";

/** A summary as memcacheq.summary makes it. Times and the pause are told from now on, in milliseconds. */
export interface Summary {
  id: number;
  name: string;
  messages: number;
  bytes: number;
  open: number;
  openMs: number | null;
  delayed: number;
  leased: number;
  arrived: number;
  sets: number;
  paused: number | null;
  waited: number;
  tally: number[] | null;
  now: number;
}

export function summaryOf({ options }: Shared, summary: Summary): QueueSummary {
  const { id, messages, bytes, open, openMs, delayed, leased, arrived, sets, paused, waited, now } =
    summary;
  const { clock } = options;
  const [dropped = 0, expired = 0, duplicates = 0, redelivered = 0, dead = 0, missed = 0] =
    summary.tally ?? [];
  return {
    id,
    name: nameOf(summary.name),
    messages,
    bytes,
    open,
    openedAt: openMs === null ? undefined : clock.monotonic() - openMs,
    delayed,
    leased,
    // By our clock: it is compared with that.
    arrived: arrived === 0 ? 0 : clock.calendar() - (now - arrived),
    sets,
    gets: sets - messages,
    paused: paused === null ? undefined : paused === 0 ? 0 : clock.calendar() + paused,
    waitedMs: messages === 0 ? 0 : waited,
    dropped,
    expired,
    duplicates,
    redelivered,
    dead,
    missed,
  };
}

export function detailsOf(shared: Shared, summary: Summary): QueueDetails {
  const { arrived, now, openMs, name } = summary;
  return {
    ...summaryOf(shared, summary),
    age: arrived === 0 ? 0 : Math.max(0, now - arrived),
    onceMs: settingsFor(shared, nameOf(name)).onceMs,
    memory: 0,
    openAge: openMs ?? 0,
  };
}
