import { type Store, StoreError } from "../../store/store.ts";
import type { Clock } from "../../util/clock.ts";

/**
 * The space that sets leave on the disk (`--min-free`): takes need some for the log, so a disk that sets filled to its
 * end could not be emptied either.
 */
export interface Space {
  /** Bytes; 0 leaves none. */
  minFree: number;
  /** Why sets are refused, when it was last looked at. */
  shortage: string | undefined;
  /** When that was, in milliseconds of the monotonic clock. */
  seenAt: number;
}

/** What a look at the space needs. */
interface SpaceOwner {
  store: Store;
  clock: Clock;
  space: Space;
  warn: (text: string) => void;
}

/** Milliseconds from one look to the next. */
const LOOK_EVERY_MS = 50;

export function newSpace(minFree: number): Space {
  return { minFree, shortage: undefined, seenAt: -Infinity };
}

/** Why sets are refused at present; undefined when there is space. */
export function shortageOf(owner: SpaceOwner): string | undefined {
  const { space, clock, store, warn } = owner;
  if (space.minFree === 0) return undefined;
  const now = clock.monotonic();
  if (now - space.seenAt < LOOK_EVERY_MS) return space.shortage;
  space.seenAt = now;
  const before = space.shortage;
  space.shortage =
    freeBytes(store) < space.minFree
      ? `less than ${space.minFree} bytes of the disk are free (--min-free)`
      : undefined;
  if (before === undefined && space.shortage !== undefined) {
    warn(`sets are refused: ${space.shortage}`);
  } else if (before !== undefined && space.shortage === undefined) {
    warn("sets are stored again: there is space on the disk");
  }
  return space.shortage;
}

/** What the file system has left, and what is free in the database itself. */
function freeBytes(store: Store): number {
  try {
    const { available, freePages, pageSize } = store.extent();
    return available + freePages * pageSize;
  } catch (error) {
    // Whether a message can be stored is found when it is tried.
    if (error instanceof StoreError) return Infinity;
    throw error;
  }
}
