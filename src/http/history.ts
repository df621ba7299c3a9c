import type { Broker } from "../queues/local/broker.ts";
import { countsOf } from "../queues/local/details.ts";
import { countMessages, type Queue } from "../queues/local/queue.ts";
import { isSliceOver, newPace, pause } from "./pace.ts";

/** What was at some moments, oldest first. */
export type Course = Moment[];

/** When, in milliseconds since 1970; how many messages there were; how many had ever been set, and were gone. */
export type Moment = [at: number, messages: number, sets: number, gets: number];

/** The last minutes of all queues together, and of some queues. */
export interface History {
  all: Course;
  queues: Map<Queue, Course>;
}

/** Milliseconds from one moment to the next, and how many moments are kept: five minutes. */
export const INTERVAL = 2000;
const MOMENTS = 150;
/** So many queues have a history; that of any other begins when somebody looks at it. */
const MOST_QUEUES = 500;

export function newHistory(): History {
  return { all: [], queues: new Map() };
}

/** Adds the present moment. With many queues there are rests in between. */
export async function remember(history: History, broker: Broker): Promise<void> {
  const pace = newPace();
  const total: Moment = [Date.now(), 0, 0, 0];
  for (const queue of history.queues.keys()) {
    if (broker.queues.get(queue.name) !== queue) history.queues.delete(queue);
  }
  for (const queue of broker.queues.values()) {
    const moment = momentOf(queue);
    for (const i of [1, 2, 3] as const) total[i] += moment[i];
    if (history.queues.size < MOST_QUEUES) courseOf(history, queue);
    const course = history.queues.get(queue);
    if (course !== undefined) add(course, moment);
    if (isSliceOver(pace)) await pause(pace);
  }
  add(history.all, total);
}

/** The last minutes of a queue, as far as they are known. */
export function courseOf({ queues }: History, queue: Queue): Course {
  const known = queues.get(queue);
  if (known !== undefined) return known;
  const [longestKept] = queues.keys();
  if (queues.size >= MOST_QUEUES && longestKept !== undefined) queues.delete(longestKept);
  const course: Course = [];
  queues.set(queue, course);
  return course;
}

function add(course: Course, moment: Moment): void {
  course.push(moment);
  if (course.length > MOMENTS) course.shift();
}

function momentOf(queue: Queue): Moment {
  const { sets, gets } = countsOf(queue);
  return [Date.now(), countMessages(queue), sets, gets];
}
