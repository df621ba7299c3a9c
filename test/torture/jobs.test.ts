/** The books of the pipeline notice what they are there for. */
import { describe, expect, test } from "bun:test";

import {
  bodyOf,
  checkRows,
  clock,
  DEAD,
  INPUT,
  type Job,
  type Jobs,
  newJob,
  newJobs,
  noteDelivered,
  noteFinished,
  noteLease,
  noteNotBefore,
  noteOver,
  RESULTS,
  type Row,
} from "./jobs.ts";

function stored(jobs: Jobs): Job {
  const job = newJob(jobs, 50);
  job.isStored = true;
  return job;
}

function row(job: Job, queue: string, state = "ready", number = 1, deliveries = 0): Row {
  return { queue, number, body: bodyOf(job), state, deliveries };
}

function faultsWith(jobs: Jobs, ...rows: Row[]): string {
  checkRows(jobs, rows, clock());
  return jobs.faults.join("\n");
}

describe("a job", () => {
  test("is there, or its result", () => {
    const jobs = newJobs();
    const [a, b, c] = [stored(jobs), stored(jobs), newJob(jobs, 50)];
    expect(faultsWith(jobs, row(a, INPUT), row(b, RESULTS))).toBe("");
    expect(faultsWith(jobs, row(a, DEAD), row(b, RESULTS), row(c, INPUT))).toBe("");
  });

  test("is lost", () => {
    const jobs = newJobs();
    stored(jobs);
    expect(faultsWith(jobs)).toContain("job 1 is there 0 times, and 0 results of it");
  });

  test("is there beside its result, which was to be one commit", () => {
    const jobs = newJobs();
    const job = stored(jobs);
    expect(faultsWith(jobs, row(job, INPUT), row(job, RESULTS))).toContain("1 results of it");
  });

  test("has an id, and may be there beside its result, but only once each", () => {
    const jobs = newJobs();
    const job = [1, 2, 3, 4].map(() => stored(jobs)).find(({ isTwoTrips }) => isTwoTrips) as Job;
    jobs.all = new Map([[job.sequence, job]]);
    expect(faultsWith(jobs, row(job, INPUT), row(job, RESULTS))).toBe("");
    expect(faultsWith(jobs, row(job, RESULTS), row(job, RESULTS))).toContain("2 results of it");
  });

  test("is there twice", () => {
    const jobs = newJobs();
    const job = stored(jobs);
    expect(faultsWith(jobs, row(job, INPUT), row(job, DEAD))).toContain("is there 2 times");
  });

  test("comes back after its result", () => {
    const jobs = newJobs();
    const job = stored(jobs);
    noteFinished(jobs, job);
    noteDelivered(jobs, job, INPUT, clock());
    expect(faultsWith(jobs, row(job, RESULTS))).toContain("came back");
    expect(faultsWith(jobs, row(job, INPUT))).toContain("was finished, and is there 1 times");
  });

  test("is delivered early", () => {
    const jobs = newJobs();
    const job = stored(jobs);
    noteNotBefore(job, clock() + 1000);
    noteDelivered(jobs, job, INPUT, clock());
    expect(jobs.faults.join()).toContain("ms early");
  });

  test("was delivered before it was known that it must wait", () => {
    const jobs = newJobs();
    const job = stored(jobs);
    const askedAt = clock();
    noteNotBefore(job, clock() + 1000);
    noteDelivered(jobs, job, INPUT, askedAt);
    expect(jobs.faults).toEqual([]);
  });
});

describe("a lease", () => {
  const told = 7 + 2 * 2 ** 43;

  test("is in the file", () => {
    const jobs = newJobs();
    const job = stored(jobs);
    noteLease(jobs, job, INPUT, told, clock() + 1000);
    expect(faultsWith(jobs, row(job, INPUT, "leased", 7, 3))).toBe("");
  });

  test("is lost, or counts other deliveries", () => {
    for (const wrong of [row, (job: Job, queue: string) => row(job, queue, "leased", 7, 2)]) {
      const jobs = newJobs();
      const job = stored(jobs);
      noteLease(jobs, job, INPUT, told, clock() + 1000);
      expect(faultsWith(jobs, wrong(job, INPUT))).toContain("is lost");
    }
  });

  test("may be gone when its time is over, or something may have ended it", () => {
    const jobs = newJobs();
    const job = stored(jobs);
    noteLease(jobs, job, INPUT, 5, clock() - 1);
    const lease = noteLease(jobs, job, INPUT, 6, clock() + 1000);
    noteOver(jobs, lease);
    expect(faultsWith(jobs, row(job, INPUT))).toBe("");
  });

  test("is told for the sixth time, where a job has five", () => {
    const jobs = newJobs();
    noteLease(jobs, stored(jobs), INPUT, 7 + 5 * 2 ** 43, clock());
    expect(jobs.faults.join()).toContain("for the 6th time");
  });
});
