import { DURATIONS, type Histogram, newHistogram, observe, SIZES } from "../util/histogram.ts";
import { error, trace } from "../util/log.ts";
import type { Runtime } from "./runtime.ts";

/** The commits of all groups: histograms, and the last success and failure. */
export interface Commits {
  /** Seconds. */
  times: Histogram;
  /** Messages set and taken. */
  sizes: Histogram;
  /** When the last one succeeded and failed, in milliseconds of the monotonic clock; and why it failed. */
  succeededAt: number;
  failedAt: number;
  failure: string;
  /** When a failure was last logged, on the monotonic clock. */
  failureLoggedAt: number;
}

/** A full disk fails every group: it is logged once in so many milliseconds. */
const LOG_EVERY_MS = 1000;

export function newCommits(): Commits {
  return {
    times: newHistogram(DURATIONS),
    sizes: newHistogram(SIZES),
    succeededAt: -Infinity,
    failedAt: -Infinity,
    failure: "",
    failureLoggedAt: -Infinity,
  };
}

/** A group was committed. @param messages how many were set and taken in it */
export function noteCommit(
  commits: Commits,
  { monotonic }: Runtime,
  milliseconds: number,
  messages: number,
): void {
  observe(commits.times, milliseconds / 1000);
  observe(commits.sizes, messages);
  commits.succeededAt = monotonic();
}

/** The commit of a group failed. @param reason in words for the client */
export function noteFailure(commits: Commits, runtime: Runtime, reason: string): void {
  const now = runtime.monotonic();
  commits.failedAt = now;
  commits.failure = reason;
  const text = `SERVER_ERROR ${reason}, to all requests of the group that saw or made a change`;
  trace(text);
  if (now - commits.failureLoggedAt < LOG_EVERY_MS) return;
  commits.failureLoggedAt = now;
  error(text);
}
