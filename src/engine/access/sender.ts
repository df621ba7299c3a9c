/** Where attempts to authenticate come from: one address of a client. */
export interface Sender {
  address: string;
  /** Attempts whose check has not begun, the oldest in front. */
  waiting: Attempt[];
  /** Attempts that are being checked, or whose failure is not told yet. */
  untold: number;
  /** Failures in a row, without a quiet time between them, and when the last one was, on the monotonic clock. */
  failures: number;
  failedAt: number;
  /** When a failure was logged last, and how many were not logged since. */
  loggedAt: number;
  unlogged: number;
}

/** One attempt to authenticate. */
export interface Attempt {
  name: string;
  secret: string;
  /** Called once, with whether it was right. */
  done: (isRight: boolean) => void;
}

/** Attempts of one address that are checked, or wait to be told of their failure, at a time. */
const MAX_UNTOLD = 8;
/**
 * Milliseconds from the start of a check until its failure is told: this many after the first one, twice as many after
 * each further one up to a maximum. It is longer than most checks take.
 */
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 8000;
/** Failures are forgotten after so many milliseconds without another. */
const FORGET_MS = 10 * 60 * 1000;
/** A failure of an address is logged when the last one was logged so many milliseconds ago. */
const LOG_INTERVAL_MS = 1000;
/** Addresses that are remembered. */
const MAX_SENDERS = 10_000;

/** The sender of that address; one that has done nothing for long is forgotten when there are very many. */
export function senderOf(senders: Map<string, Sender>, address: string): Sender {
  const known = senders.get(address);
  if (known !== undefined) return known;
  if (senders.size >= MAX_SENDERS) forgetOne(senders);
  const sender: Sender = {
    address,
    waiting: [],
    untold: 0,
    failures: 0,
    failedAt: 0,
    loggedAt: -Infinity,
    unlogged: 0,
  };
  senders.set(address, sender);
  return sender;
}

function forgetOne(senders: Map<string, Sender>): void {
  for (const [address, { waiting, untold }] of senders) {
    if (waiting.length > 0 || untold > 0) continue;
    senders.delete(address);
    return;
  }
}

/** Whether one more of its attempts may be checked. */
export function mayCheck({ waiting, untold }: Sender): boolean {
  return waiting.length > 0 && untold < MAX_UNTOLD;
}

/** Whether as many of its attempts as are checked at a time are under way. */
export function isBusy({ untold, waiting }: Sender): boolean {
  return untold + waiting.length >= MAX_UNTOLD;
}

/** Counts a failure. @returns how many milliseconds after the start of the check it is told */
export function countFailure(sender: Sender, now: number): number {
  if (now - sender.failedAt > FORGET_MS) sender.failures = 0;
  sender.failedAt = now;
  const pause = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** sender.failures);
  sender.failures++;
  return pause;
}

/** Whether this failure is logged. @returns how many were not, since the last one that was; undefined when it is not */
export function takeUnlogged(sender: Sender, now: number): number | undefined {
  if (now - sender.loggedAt < LOG_INTERVAL_MS) {
    sender.unlogged++;
    return undefined;
  }
  const { unlogged } = sender;
  sender.loggedAt = now;
  sender.unlogged = 0;
  return unlogged;
}
