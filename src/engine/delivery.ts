import type { Engine, Entry } from "./engine.ts";
import { addEntry } from "./group.ts";
import { offer } from "./waiters.ts";

/* Sends replies. A message that was certainly not delivered goes back to its queue. */

/** When a restore has failed, it is tried again after so many milliseconds. */
const RESTORE_AGAIN_MS = 1000;

/** Sends what was written for the session that is being replied to. */
export function sendRun(engine: Engine): void {
  const { run, output } = engine;
  const { session, start } = run;
  if (session !== undefined && output.length > start) {
    if (!session.sink.send(output.buffer, start, output.length, false)) restoreRun(engine);
  }
  run.start = output.length;
  run.first = engine.closed.done;
}

/** Nothing of the run was delivered: the messages that it took go back. */
function restoreRun(engine: Engine): void {
  const { run, closed } = engine;
  for (let i = run.first; i < closed.done; i++) {
    const entry = closed.entries[i] as Entry;
    if (entry.kind === "take" && entry.outcome === "done") restore(engine, entry);
  }
}

/**
 * Puts a taken message back, because no byte of it was delivered. When some bytes were sent, the server cannot know
 * whether all arrived: a client that must not lose a message opens it, and closes it later.
 */
export function restore(engine: Engine, entry: Entry): void {
  const { queue, queueId, number, flags, body, start, end, deliveries } = entry;
  const back = addEntry(engine, "restore", entry.session, entry.request, 0);
  back.queue = queue;
  back.queueId = queueId;
  back.number = number;
  back.deliveries = deliveries;
  back.flags = flags;
  back.body = Buffer.from(body.subarray(start, end));
  back.start = 0;
  back.end = back.body.length;
  engine.gathering.changes++;
  offer(engine, queue, 1);
  engine.requestTurn();
}

/** A restore whose commit failed is tried again a little later, until the message is back. */
export function restoreAgain(engine: Engine, entry: Entry): void {
  if (entry.outcome !== "failed") return;
  const kept = { ...entry };
  engine.runtime.after(RESTORE_AGAIN_MS, () => restore(engine, kept));
}
