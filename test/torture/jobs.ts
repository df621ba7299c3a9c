/**
 * The books of a pipeline: each job that a producer sets is to give exactly one result, whatever is killed.
 *
 * Times are milliseconds of a clock that nobody sets. What the server did lies between the asking and the reading.
 */
import { makeBody, readBody } from "./body.ts";

/** What is told of queues by their name. A job is in one of `SOURCES`, or its result is in RESULTS. */
export const INPUT = "in";
export const MIDDLE = "mid";
export const DEAD = "in.dead";
export const RESULTS = "out";
export const SOURCES: readonly string[] = [INPUT, MIDDLE, DEAD];

/** The settings of `INPUT`: after so many deliveries a job becomes a dead letter; milliseconds to the next delivery. */
export const DELIVERIES = 5;
export const RETRY = { first: 20, longest: 80 } as const;

/** Of the number that tells a lease: that of the message, and above it the deliveries before. */
const NUMBERS = 2 ** 43;
/** Times of two processes are compared, and the server counts whole milliseconds. */
export const TOLERANCE = 5;

export interface Job {
  sequence: number;
  length: number;
  /** Its `set` was answered STORED. */
  isStored: boolean;
  /** Its result was asked for by its own id, so that the job may be there beside it. */
  isTwoTrips: boolean;
  /** When the answer was read after which it is never delivered; Infinity before. */
  finishedAt: number;
  /** It is not delivered before; and when that was known, Infinity where a later request is to tell. */
  notBefore: number;
  notBeforeAt: number;
}

/** A lease that a worker was told. */
export interface Lease {
  job: Job;
  queue: string;
  told: number;
  /** It does not end before. */
  until: number;
  /** Something was sent that may have ended it. */
  isSettled: boolean;
}

export interface Jobs {
  all: Map<number, Job>;
  /** Those that may go on, by queue and number; and such that are surely over. */
  leases: Map<string, Lease>;
  over: Lease[];
  /** How many jobs are known to be finished. */
  finished: number;
  faults: string[];
}

/** Of leases that are over, so many are kept to be asked for again. */
const MOST_OVER = 50;

export function newJobs(): Jobs {
  return { all: new Map(), leases: new Map(), over: [], finished: 0, faults: [] };
}

export function clock(): number {
  return Bun.nanoseconds() / 1e6;
}

export function newJob({ all }: Jobs, length: number): Job {
  const sequence = all.size + 1;
  const job: Job = {
    sequence,
    length,
    isStored: false,
    isTwoTrips: sequence % 4 === 0,
    finishedAt: Infinity,
    notBefore: 0,
    notBeforeAt: 0,
  };
  all.set(sequence, job);
  return job;
}

export function bodyOf({ sequence, length }: Job): Buffer {
  return makeBody({ queue: INPUT, producer: 1, sequence }, length);
}

/** The job that the body is of; a fault when there is no such job. */
export function jobIn({ all, faults }: Jobs, body: Buffer, where: string): Job | undefined {
  const job = all.get(readBody(body)?.sequence ?? NaN);
  if (job === undefined)
    faults.push(`${where}: a message that nobody sent, of ${body.length} bytes`);
  return job;
}

/** A worker was given the job, by a request that was sent at `askedAt`. */
export function noteDelivered({ faults }: Jobs, job: Job, queue: string, askedAt: number): void {
  if (job.finishedAt < askedAt)
    faults.push(`job ${job.sequence} came back to ${queue} after its result`);
  const early = job.notBefore - clock();
  if (job.notBeforeAt < askedAt && early > TOLERANCE) {
    faults.push(`job ${job.sequence} was delivered from ${queue} ${early.toFixed(1)} ms early`);
  }
}

/** The job is not delivered before that time. What was asked for before now may have been answered before. */
export function noteNotBefore(job: Job, time: number): void {
  job.notBefore = time;
  job.notBeforeAt = clock();
}

/** A worker was told a lease. */
export function noteLease(jobs: Jobs, job: Job, queue: string, told: number, until: number): Lease {
  const earlier = Math.floor(told / NUMBERS);
  if (queue === INPUT && earlier >= DELIVERIES) {
    jobs.faults.push(`job ${job.sequence} was delivered for the ${earlier + 1}th time`);
  }
  const key = `${queue}/${told}`;
  if (jobs.leases.has(key)) jobs.faults.push(`the lease ${key} was told twice`);
  const lease: Lease = { job, queue, told, until, isSettled: false };
  jobs.leases.set(key, lease);
  noteNotBefore(job, until + pauseAfter(queue, earlier + 1));
  return lease;
}

/** Milliseconds until a job that was delivered in vain, for the nth time, can be delivered again. */
export function pauseAfter(queue: string, deliveries: number): number {
  if (queue !== INPUT || deliveries >= DELIVERIES) return 0;
  return Math.min(RETRY.longest, RETRY.first * 2 ** (deliveries - 1));
}

/** How often the message of a lease was delivered, this time included. */
export function deliveriesOf({ told }: Lease): number {
  return Math.floor(told / NUMBERS) + 1;
}

/** The lease is about to be ended, or may have been. */
export function noteSettled(lease: Lease): void {
  lease.isSettled = true;
}

/** The lease is surely over: its number concerns no message any more. */
export function noteOver({ leases, over }: Jobs, lease: Lease): void {
  leases.delete(`${lease.queue}/${lease.told}`);
  over.push(lease);
  if (over.length > MOST_OVER) over.shift();
}

/** The answer was read that says that its result is there, and the job is not. */
export function noteFinished(jobs: Jobs, job: Job): void {
  if (job.finishedAt === Infinity) jobs.finished++;
  job.finishedAt = Math.min(job.finishedAt, clock());
}

/** Nothing is known any more of leases that may be over. */
export function forgetEnded({ leases }: Jobs): void {
  const now = clock();
  for (const [key, { until, isSettled }] of leases) {
    if (isSettled || until < now) leases.delete(key);
  }
}

/** A message as the file of a killed server has it. */
export interface Row {
  queue: string;
  number: number;
  body: Buffer;
  state: string;
  deliveries: number;
}

/** Compares what a file has with the books. @param at when the server was killed */
export function checkRows(jobs: Jobs, rows: readonly Row[], at: number): void {
  checkLeases(jobs, rows, at);
  const found = new Map<Job, { sources: number; results: number }>();
  for (const { queue, body } of rows) {
    const isResult = queue === RESULTS;
    if (!isResult && !SOURCES.includes(queue)) continue;
    const job = jobIn(jobs, body, queue);
    if (job === undefined) continue;
    const counts = found.get(job) ?? { sources: 0, results: 0 };
    if (isResult) counts.results++;
    else counts.sources++;
    found.set(job, counts);
  }
  for (const job of jobs.all.values()) {
    checkJob(jobs, job, found.get(job) ?? { sources: 0, results: 0 });
  }
}

function checkJob({ faults }: Jobs, job: Job, found: { sources: number; results: number }): void {
  const { sources, results } = found;
  const most = job.isTwoTrips ? 2 : 1;
  const isRight =
    sources <= 1 &&
    results <= 1 &&
    sources + results <= most &&
    (!job.isStored || sources + results > 0);
  if (!isRight)
    faults.push(`job ${job.sequence} is there ${sources} times, and ${results} results of it`);
  else if (job.finishedAt !== Infinity && (sources > 0 || results === 0)) {
    faults.push(
      `job ${job.sequence} was finished, and is there ${sources} times with ${results} results`,
    );
  }
}

/** A lease that was told, and that nothing has ended, is in the file. */
function checkLeases({ leases, faults }: Jobs, rows: readonly Row[], at: number): void {
  const there = new Set<string>();
  for (const { queue, number, state, deliveries } of rows) {
    if (state === "leased") there.add(`${queue}/${number + NUMBERS * (deliveries - 1)}`);
  }
  for (const [key, { until, isSettled, job }] of leases) {
    if (isSettled || until <= at || there.has(key)) continue;
    faults.push(
      `the lease ${key} of job ${job.sequence}, with ${(until - at).toFixed(0)} ms left, is lost`,
    );
  }
}
