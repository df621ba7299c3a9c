import type { Engine } from "./engine.ts";
import { isFull } from "./gather.ts";
import { isDone } from "./group.ts";
import { takeTurn } from "./turn.ts";

/*
 * The decision when a group is closed, which is when it is committed. Each function that adds to the
 * group asks for a turn, and the group is closed
 *   - once the sockets have nothing more to read, and waiting for more does not pay: see {@link closeWhenQuiet};
 *   - at once when it is large: see {@link closeIfLarge}.
 */

/** The group is closed when nothing has come for this part of the time that a commit takes. */
const QUIET_PART = 32;
/** However long a commit takes, gathering beside it does not get longer than this. */
const MAX_GATHER_MS = 20;

/** When the group last grew, in milliseconds, and to how many operations. */
interface Growth {
  at: number;
  count: number;
}

/** Makes sure that the group is closed after all sockets that have something to read were read. */
export function scheduleClosing(engine: Engine): void {
  if (engine.scheduled) return;
  engine.scheduled = true;
  engine.begunAt = engine.runtime.monotonic();
  engine.closedFull = false;
  engine.runtime.soon(() => closeWhenQuiet(engine, { at: engine.begunAt, count: 0 }));
}

/**
 * Closes the group, unless waiting for more pays: while one request is read the next one arrives, and a sync costs as
 * much for a few operations as for many. So the sockets are read again as long as that brings operations, and a little
 * longer; how much longer depends on the disk.
 */
function closeWhenQuiet(engine: Engine, growth: Growth): void {
  if (engine.settings.waitsForDisk && isGrowing(engine, growth)) {
    engine.runtime.soon(() => closeWhenQuiet(engine, growth));
    return;
  }
  engine.scheduled = false;
  takeTurn(engine);
}

function isGrowing(engine: Engine, growth: Growth): boolean {
  const { gathering, closed, sessions, begunAt, runnable } = engine;
  // There is nothing to commit, other work waits already, or all clients have asked for something.
  if (gathering.changes === 0 || !isDone(closed) || runnable.size > 0) return false;
  if (gathering.count >= sessions.size || isFull(gathering)) return false;
  const now = engine.runtime.monotonic();
  const hasGrown = gathering.count > growth.count;
  if (hasGrown) {
    growth.count = gathering.count;
    growth.at = now;
  }
  const commitMs = Math.min(engine.commitMs, MAX_GATHER_MS);
  if (now - begunAt > commitMs) return false;
  return hasGrown || now - growth.at < commitMs / QUIET_PART;
}

/**
 * Closes the group at once when it is so large that memory would grow with it. But a full group only once in a turn of the
 * loop: otherwise that turn would execute all that has arrived from all clients before any of them is read again.
 */
export function closeIfLarge(engine: Engine): void {
  const { gathering, settings, begunAt, runtime, commitMs } = engine;
  if (isFull(gathering)) {
    if (engine.closedFull) return;
    engine.closedFull = true;
    return takeTurn(engine);
  }
  if (gathering.bytes < settings.logBuffer) return;
  // Where a commit takes longer than gathering did, more commits would only be more waiting.
  if (runtime.monotonic() - begunAt >= commitMs) takeTurn(engine);
}
