/** The producers of the pipeline in jobs.ts, and clients beside it whose queues are only counted. */
import { bodyOf, clock, INPUT, type Job, newJob, noteNotBefore } from "./jobs.ts";
import { ask, setBytes } from "./wire.ts";
import type { Staff } from "./worker.ts";

/** Jobs that are not finished yet: with so many no more are set. */
const BACKLOG = 300;
/** Milliseconds. */
const DELAYS = [0, 0, 0, 30, 200];

/** A queue whose oldest messages go at a limit. */
export const RING = { name: "ring", messages: 4000 } as const;
const BULK = "bulk";

export interface Orders {
  /** Jobs whose `set` was sent and not answered: their producer repeats it. */
  unanswered: Set<Job>;
  delays: Map<Job, number>;
}

/** Sets jobs, each with an id, and repeats what was not answered. Rejects when its connection ends. */
export async function produce(staff: Staff, orders: Orders): Promise<void> {
  const { jobs, random } = staff;
  while (!staff.isLate() || orders.unanswered.size > 0) {
    const [unanswered] = orders.unanswered;
    if (unanswered !== undefined) await setJob(staff, orders, unanswered);
    else if (jobs.all.size > 0 && random.below(10) === 0) {
      // It is a repeat that nobody needs.
      await setJob(staff, orders, jobs.all.get(random.between(1, jobs.all.size)) as Job);
    } else if (staff.isLate() || backlogOf(staff) >= BACKLOG) await Bun.sleep(1);
    else await setJob(staff, orders, newJob(jobs, lengthOf(staff)));
  }
}

function backlogOf({ jobs }: Staff): number {
  return jobs.all.size - jobs.finished;
}

function lengthOf({ random }: Staff): number {
  return random.below(random.pick([50, 50, 500, 5000]));
}

async function setJob({ jobs, random, wire }: Staff, orders: Orders, job: Job): Promise<void> {
  const { unanswered, delays } = orders;
  let delay = delays.get(job);
  if (delay === undefined) {
    delay = random.pick(DELAYS);
    delays.set(job, delay);
    noteNotBefore(job, clock() + delay);
  }
  if (!job.isStored) unanswered.add(job);
  const options = delay > 0 ? `/delay=${delay}` : "";
  const key = `${INPUT}/id=${job.sequence}${options}`;
  const { line } = await ask(wire, setBytes(key, 0, bodyOf(job)));
  if (line !== "STORED") jobs.faults.push(`a job is answered ${line}`);
  job.isStored = true;
  unanswered.delete(job);
}

/** Fills queues in one go, and empties them in ways that take several commits. Rejects when its connection ends. */
export async function crowd(staff: Staff): Promise<void> {
  const { random, wire } = staff;
  while (!staff.isLate()) {
    await setMany(staff, `${BULK}/delay=${random.pick([20, 1000])}`, random.between(100, 1200));
    await setMany(staff, RING.name, random.between(10, 3000));
    if (random.below(2) === 0) await Bun.sleep(random.below(30));
    await leaseMany(staff, random.below(400));
    const dice = random.below(4);
    if (dice === 0) await ask(wire, `delete ${BULK}\r\n`);
    else if (dice === 1) await ask(wire, `get ${BULK}/all/to=${BULK}2\r\n`, "list");
    else await ask(wire, `flush ${BULK}\r\n`);
    if (dice === 1) await ask(wire, `flush ${BULK}2\r\n`);
  }
}

async function setMany({ random, wire }: Staff, key: string, count: number): Promise<void> {
  const body = Buffer.alloc(random.below(100), "x");
  wire.send([
    {
      bytes: Buffer.concat(Array.from({ length: count }, () => setBytes(key, 0, body, true))),
      shape: "none",
      answered() {},
      lost() {},
    },
  ]);
  await ask(wire, "version\r\n");
}

/** They are given back by the clock. */
async function leaseMany({ random, wire }: Staff, count: number): Promise<void> {
  const length = random.pick([20, 1000]);
  const keys = ` ${BULK}/lease=${length}`.repeat(16);
  for (let n = 0; n < count; n += 16) await ask(wire, `get${keys}\r\n`, "list");
}
