/** Operations that are done a part at a time. */
import type { Entry } from "../../src/engine/engine.ts";
import { doubtMessages, dropDoomed } from "./doubt.ts";
import { checkFailure } from "./failures.ts";
import type { Own } from "./faults.ts";
import { flush, moveAll, settingsOf, type Told } from "./model.ts";
import type { Judge } from "./state.ts";
import type { Asked, Talk } from "./talk.ts";
import { touch } from "./undo.ts";

/** A flush is done, or a part of it, which does not tell what it has dropped. */
export function flushPart(
  judge: Judge,
  talk: Talk,
  entry: Entry,
  own: Own | undefined,
  asked: Asked | undefined,
): Told {
  const { model } = judge;
  const { kind, queue: name } = entry;
  const { outcome, error } = own ?? entry;
  const isAll = kind === "flush all";
  const doomed = asked?.doomed;
  const only = model.queues.get(name);
  const queues = isAll ? [...model.queues.values()] : only === undefined ? [] : [only];
  if (outcome === "failed") {
    checkFailure(judge, talk, entry, error);
    // The queues before the one that could not be read are flushed.
    if (isAll || doomed !== undefined) doubtMessages(model, queues);
  } else if (outcome === "more") {
    const found = doubtMessages(model, isAll || doomed === undefined ? queues : []);
    if (asked !== undefined) asked.doomed ??= found;
  } else if (doomed === undefined) {
    for (const queue of queues) flush(model, queue.name);
  } else {
    if (isAll) doubtMessages(model, queues);
    dropDoomed(model, doomed);
  }
  return { outcome };
}

/** Messages were moved, as many as the place tells where the next part begins. */
export function movePart(
  judge: Judge,
  talk: Talk,
  entry: Entry,
  own: Own | undefined,
  asked: Asked | undefined,
): Told {
  const { model } = judge;
  const { queue: name, target, cursor } = entry;
  const { outcome, error } = own ?? entry;
  const queue = model.queues.get(name);
  const left = (cursor as { left: number } | undefined)?.left;
  if (
    outcome === "failed" &&
    error !== `a limit of queue ${target} is reached, and nothing was moved`
  )
    checkFailure(judge, talk, entry, error);
  if (asked === undefined || queue === undefined || left === undefined) {
    return { outcome: outcome === "done" ? "absent" : outcome };
  }
  asked.left ??= queue.available.length;
  const moved = asked.left - left;
  moveAll(model, name, target, moved);
  asked.left = left;
  return { outcome: moved === 0 ? "absent" : outcome };
}

/** A set that makes room for itself goes on in the next group: some of the oldest messages are gone by then. */
export function doubtDropped({ model }: Judge, { kind, queue: name }: Entry): void {
  const queue = model.queues.get(name);
  if (kind !== "put" || queue === undefined || !settingsOf(model, name).dropOldest) return;
  touch(model, name);
  for (const message of queue.available) message.doubtful = true;
  model.hasDoubtful = true;
  queue.tally.dropped = NaN;
}
