import { BackendError } from "../queues/backend.ts";
import { warn } from "../util/log.ts";
import type { Engine } from "./engine.ts";
import { isDone } from "./group.ts";

/*
 * What the queues do by the clock: messages become due. The engine has one timer for the next of them, and lets the
 * backend do it behind a group, so that what clients asked for before comes first.
 */

/** A timer fires at least so often, in milliseconds: longer ones overflow. */
const MAX_TIMER_MS = 1_000_000_000;

/** Makes sure that the timer fires when something is due next. */
export function setDueTimer(engine: Engine): void {
  const { backend, runtime, due } = engine;
  const at = backend.nextDue();
  // One that fires too early sets itself again.
  if (at >= due.at) return;
  due.cancel();
  due.at = at;
  const milliseconds = Math.min(MAX_TIMER_MS, Math.max(0, at - runtime.monotonic()));
  due.cancel = runtime.after(milliseconds, () => {
    due.at = Infinity;
    due.isAsked = true;
    engine.requestTurn();
  });
}

/**
 * Lets the backend do what is due, if the timer has fired, and all that was asked for before is done.
 * @param done called if the backend answers later: nothing is executed before that
 */
export function doDue(engine: Engine, done: () => void): void {
  const { due, backend, closed } = engine;
  if (!due.isAsked || engine.executing || !isDone(closed)) return;
  due.isAsked = false;
  try {
    const answer = backend.doDue();
    if (answer === undefined) return;
    engine.executing = true;
    void answer.catch(warnOfFailure).then(done);
  } catch (cause) {
    warnOfFailure(cause);
  }
}

function warnOfFailure(cause: unknown): void {
  if (!(cause instanceof BackendError)) throw cause;
  warn(cause.message);
}
