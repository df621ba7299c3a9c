/** Workers of the pipeline in jobs.ts: each takes a job, and does one of the things that a worker may do with it. */
import type { Random } from "../protocol/random.ts";
import {
  bodyOf,
  clock,
  deliveriesOf,
  INPUT,
  type Job,
  jobIn,
  type Jobs,
  type Lease,
  MIDDLE,
  noteDelivered,
  noteFinished,
  noteLease,
  noteNotBefore,
  noteOver,
  noteSettled,
  pauseAfter,
  RESULTS,
  SOURCES,
  TOLERANCE,
} from "./jobs.ts";
import { ask, setBytes, type Wire } from "./wire.ts";

/** Lengths of leases in milliseconds: some end while their worker works, most do not. */
const LEASES = [5, 60, 300, 1000];

export interface Staff {
  jobs: Jobs;
  random: Random;
  wire: Wire;
  /** Counts what was done. */
  count: (what: string) => void;
  /** What is there is to be finished: nothing is given back any more. */
  isLate: () => boolean;
}

/** Does one thing after the other, until its connection ends. Rejects then. */
export async function work(staff: Staff): Promise<void> {
  for (;;) {
    const dice = staff.random.below(100);
    if (dice < 8) await askAgain(staff);
    else if (dice < 14) await ask(staff.wire, `get in.dead/all/to=in\r\n`, "list");
    else if (dice < 22) await hand(staff, `get ${INPUT}/to=${MIDDLE}`, INPUT);
    else if (dice < 45) await openOne(staff);
    else await leaseOne(staff);
  }
}

function sourceOf({ random }: Staff): string {
  return random.below(2) === 0 ? INPUT : random.pick(SOURCES);
}

/** Takes a message to another queue: it is a job there. */
async function hand({ jobs, wire }: Staff, line: string, queue: string): Promise<void> {
  const askedAt = clock();
  const { values } = await ask(wire, `${line}\r\n`, "list");
  for (const { body } of values) {
    const job = jobIn(jobs, body, queue);
    if (job !== undefined) noteDelivered(jobs, job, queue, askedAt);
  }
}

async function leaseOne(staff: Staff): Promise<void> {
  const { jobs, random, wire, count } = staff;
  const queue = sourceOf(staff);
  const length = random.pick(LEASES);
  const wait = random.below(4) === 0 ? `/t=${random.below(20)}` : "";
  const askedAt = clock();
  const { values, line } = await ask(wire, `gets ${queue}/lease=${length}${wait}\r\n`, "list");
  if (line !== "END") jobs.faults.push(`a lease is answered ${line}`);
  const [value] = values;
  if (value === undefined) {
    await Bun.sleep(1);
    return;
  }
  const job = jobIn(jobs, value.body, queue);
  if (job === undefined) return;
  noteDelivered(jobs, job, queue, askedAt);
  count("leases");
  const lease = noteLease(jobs, job, queue, value.number, askedAt + length);
  if (random.below(4) === 0) await Bun.sleep(random.below(20));
  if (random.below(5) === 0) await extend(staff, lease);
  await settle(staff, lease);
}

/** Asks for a second more. */
async function extend({ jobs, wire }: Staff, lease: Lease): Promise<void> {
  const askedAt = clock();
  const { line } = await ask(wire, `touch ${lease.queue}/${lease.told} 1\r\n`);
  if (line === "TOUCHED") {
    lease.until = askedAt + 1000;
    noteNotBefore(lease.job, lease.until + pauseAfter(lease.queue, deliveriesOf(lease)));
  } else expectOver(jobs, lease, askedAt, "touch", line);
}

/** The lease's end: most jobs are done, others are given back, buried or forgotten. */
async function settle(staff: Staff, lease: Lease): Promise<void> {
  const dice = staff.isLate() ? 0 : staff.random.below(100);
  if (dice < 55) return finish(staff, lease);
  if (dice < 70) return giveBack(staff, lease, 0);
  if (dice < 78) return giveBack(staff, lease, -1);
}

function finish(staff: Staff, lease: Lease): Promise<void> {
  const { job, queue, told } = lease;
  if (!job.isTwoTrips) return finishAtOnce(staff, lease, `${RESULTS}/done=${queue}:${told}`);
  if (staff.random.below(2) === 0) {
    return finishAtOnce(staff, lease, `${RESULTS}/id=job${job.sequence}/done=${queue}:${told}`);
  }
  return finishInTwoTrips(staff, lease);
}

/** The result is stored, and the job is done, in one commit. */
async function finishAtOnce(
  { jobs, wire, count }: Staff,
  lease: Lease,
  key: string,
): Promise<void> {
  const { job } = lease;
  const askedAt = clock();
  noteSettled(lease);
  noteUnknown(job);
  const { line } = await ask(wire, setBytes(key, 0, bodyOf(job)));
  if (line === "STORED") {
    count("done=");
    // A repeat is STORED also when the lease was over: then the job is there once more.
    if (!job.isTwoTrips) noteDone(jobs, lease);
  } else if (line.startsWith("CLIENT_ERROR no message of ")) {
    expectOver(jobs, lease, askedAt, "done=", line);
  } else jobs.faults.push(`${key} is answered ${line}`);
}

/** The result has an id, so that it is stored once however often the job is done; then the job is acknowledged. */
async function finishInTwoTrips({ jobs, wire, count }: Staff, lease: Lease): Promise<void> {
  const { job, queue, told } = lease;
  const { line: stored } = await ask(
    wire,
    setBytes(`${RESULTS}/id=job${job.sequence}`, 0, bodyOf(job)),
  );
  if (stored !== "STORED") jobs.faults.push(`a result is answered ${stored}`);
  const askedAt = clock();
  noteSettled(lease);
  noteUnknown(job);
  const { line } = await ask(wire, `delete ${queue}/${told}\r\n`);
  if (line === "DELETED") {
    count("acknowledged");
    noteDone(jobs, lease);
  } else expectOver(jobs, lease, askedAt, "delete", line);
}

function noteDone(jobs: Jobs, lease: Lease): void {
  noteFinished(jobs, lease.job);
  noteOver(jobs, lease);
}

async function giveBack(
  { jobs, wire, count }: Staff,
  lease: Lease,
  seconds: 0 | -1,
): Promise<void> {
  const { queue, told, job } = lease;
  const askedAt = clock();
  noteSettled(lease);
  noteUnknown(job);
  const { line } = await ask(wire, `touch ${queue}/${told} ${seconds}\r\n`);
  if (line !== "TOUCHED") return expectOver(jobs, lease, askedAt, "touch", line);
  count("given back");
  if (seconds === 0) noteNotBefore(job, askedAt + pauseAfter(queue, deliveriesOf(lease)));
  noteOver(jobs, lease);
}

/** It can be delivered from now on. */
function noteUnknown(job: Job): void {
  noteNotBefore(job, 0);
}

/** A lease is over only when its time is. */
function expectOver(jobs: Jobs, lease: Lease, askedAt: number, what: string, line: string): void {
  const now = clock();
  const isNone = line === "NOT_FOUND" || line.startsWith("CLIENT_ERROR no message of ");
  if (!isNone || now < lease.until - TOLERANCE) {
    const left = (lease.until - now).toFixed(1);
    jobs.faults.push(
      `${what} of ${lease.queue}/${lease.told}, asked ${(now - askedAt).toFixed(1)} ms ago with ${left} ms left, is answered ${line}`,
    );
  }
  noteOver(jobs, lease);
}

/** The number of a lease that is over concerns nothing any more. */
async function askAgain({ jobs, random, wire }: Staff): Promise<void> {
  const lease = random.pick(jobs.over);
  if (lease === undefined) return;
  const { queue, told } = lease;
  const line = random.pick([
    `delete ${queue}/${told}\r\n`,
    `touch ${queue}/${told} 0\r\n`,
    `touch ${queue}/${told} -1\r\n`,
  ]);
  const { line: answer } = await ask(wire, line);
  if (answer !== "NOT_FOUND")
    jobs.faults.push(`${line.trim()}, which is over, is answered ${answer}`);
}

/** The message is open on this connection, and bound to it. */
async function openOne(staff: Staff): Promise<void> {
  const { jobs, random, wire } = staff;
  const queue = sourceOf(staff);
  const askedAt = clock();
  const { values } = await ask(wire, `get ${queue}/open\r\n`, "list");
  const [value] = values;
  if (value === undefined) return;
  const job = jobIn(jobs, value.body, queue);
  if (job === undefined) return;
  noteDelivered(jobs, job, queue, askedAt);
  const dice = staff.isLate() ? 0 : random.below(100);
  if (dice < 50) return closeWith(staff, queue, job);
  noteUnknown(job);
  if (dice < 60) await ask(wire, `get ${queue}/close/to=${MIDDLE}\r\n`, "list");
  else if (dice < 70) await ask(wire, `get ${queue}/dead\r\n`, "list");
  else if (dice < 80) await ask(wire, `get ${queue}/abort\r\n`, "list");
  else if (dice < 95) await abortFor(staff, queue, job);
  else wire.reset();
}

async function closeWith({ jobs, wire, count }: Staff, queue: string, job: Job): Promise<void> {
  const id = job.isTwoTrips ? `/id=job${job.sequence}` : "";
  const { line } = await ask(wire, setBytes(`${RESULTS}/close=${queue}${id}`, 0, bodyOf(job)));
  if (line === "STORED") {
    count("close=");
    noteFinished(jobs, job);
  } else jobs.faults.push(`a close= is answered ${line}`);
}

/** Gives it back with a pause of its own. */
async function abortFor({ random, wire }: Staff, queue: string, job: Job): Promise<void> {
  const pause = random.between(1, 100);
  // After enough deliveries it becomes a dead letter, which has no pause.
  if (queue !== INPUT) noteNotBefore(job, clock() + pause);
  await ask(wire, `get ${queue}/abort/delay=${pause}\r\n`, "list");
}
