import type { QueueSummary } from "../queues/summary.ts";

/*
 * What happened within the last day, kept in memory. An event that comes again soon is one event that happened several
 * times, and of each kind only the last ones are kept: so neither many queues nor a long failure push the others out.
 */

const KINDS = [
  "start",
  "failure",
  "warning",
  "evicted",
  "changed",
  "dead",
  "expired",
  "dropped",
  "missed",
] as const;

export type EventKind = (typeof KINDS)[number];

export interface ServerEvent {
  kind: EventKind;
  /** In words for people; "" where the kind says all. */
  text: string;
  /** "" where it concerns no single queue. */
  queue: string;
  /** When it happened first and last, in milliseconds since 1970, and how often, or to how many messages or clients. */
  firstAt: number;
  lastAt: number;
  times: number;
}

export interface Events {
  /** By what they are, those that happened last at the end. */
  kinds: Record<EventKind, Map<string, ServerEvent>>;
  /** What the tallies of each queue were when they were last read, by its id: as many numbers as there are {@link TALLIES}. */
  tallies: Uint32Array;
  evicted: number;
}

/** What is told of queues. */
const TALLIES = ["dead", "expired", "dropped", "missed"] as const;
const INITIAL_QUEUES = 1024;

/** Events of each kind, and characters of a text. */
const MAX_EVENTS = 100;
const MAX_TEXT = 300;
const DAY_MS = 24 * 60 * 60 * 1000;
/** An event that happens again within this time is the same one. */
const SAME_MS = 10 * 60 * 1000;

export function newEvents(): Events {
  const kinds = Object.fromEntries(KINDS.map((kind) => [kind, new Map()]));
  return {
    kinds: kinds as Events["kinds"],
    tallies: new Uint32Array(INITIAL_QUEUES * TALLIES.length),
    evicted: 0,
  };
}

/** @param now in milliseconds since 1970 @param times how often it happened, or to how many */
export function addEvent(
  events: Events,
  now: number,
  kind: EventKind,
  { text = "", queue = "", times = 1 }: { text?: string; queue?: string; times?: number },
): void {
  const known = events.kinds[kind];
  const short = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  const key = `${queue} ${short}`;
  const same = known.get(key);
  const isSame = same !== undefined && now - same.lastAt < SAME_MS;
  const event = isSame ? same : { kind, text: short, queue, firstAt: now, lastAt: now, times: 0 };
  event.lastAt = now;
  event.times += times;
  known.delete(key);
  // An earlier one that is not the same is kept, under a name that no event has.
  if (same !== undefined && !isSame) known.set(`${same.firstAt} ${key}`, same);
  known.set(key, event);
  const [first] = known.keys();
  if (known.size > MAX_EVENTS && first !== undefined) known.delete(first);
}

/** Tells what became of messages of the queue since it was read before. */
export function noteTallies(events: Events, now: number, summary: QueueSummary): void {
  const at = summary.id * TALLIES.length;
  if (at + TALLIES.length > events.tallies.length) grow(events, at);
  const { tallies } = events;
  for (const [i, kind] of TALLIES.entries()) {
    const before = tallies[at + i] ?? 0;
    const count = summary[kind];
    if (count === before) continue;
    tallies[at + i] = count;
    // An id that is used again belongs to another queue, whose counters begin at 0.
    const times = count > before ? count - before : count;
    if (times > 0) addEvent(events, now, kind, { queue: summary.name, times });
  }
}

function grow(events: Events, at: number): void {
  const larger = new Uint32Array(2 * at);
  larger.set(events.tallies);
  events.tallies = larger;
}

/** @param evicted how many clients were evicted since the start */
export function noteEvicted(events: Events, now: number, evicted: number): void {
  const times = evicted - events.evicted;
  events.evicted = evicted;
  if (times > 0) addEvent(events, now, "evicted", { times });
}

/** Those of the last day, the last one first. */
export function lastEvents({ kinds }: Events, now: number): ServerEvent[] {
  const all = KINDS.flatMap((kind) => [...kinds[kind].values()]);
  return all
    .filter(({ lastAt }) => now - lastAt < DAY_MS)
    .sort((a, b) => b.lastAt - a.lastAt || b.firstAt - a.firstAt);
}
