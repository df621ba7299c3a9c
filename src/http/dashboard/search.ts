import type { MessagePreview } from "../../queues/summary.ts";
import type { Monitor } from "../monitor.ts";
import { beginSlice, isSliceOver, nextSlice } from "../time_slice.ts";
import { inTurn } from "../work.ts";

/** What a search has found, and how far it came. */
export interface Found {
  /** The oldest ones; each body from its start on. */
  messages: MessagePreview[];
  searched: number;
  /** Whether there are messages behind those that were searched. */
  hasMore: boolean;
}

/** So many messages are found at most, so many searched, and of each body so many bytes. */
const MAX_FOUND = 20;
const MAX_SEARCHED = 20_000;
const MAX_BODY_BYTES = 64 * 1024;
/** Messages that are read at once, and for how many steps of a slice each counts. */
const PORTION = 8;
const MESSAGE_STEPS = 32;

/**
 * Looks for messages whose bodies have the text in them, from the oldest on, in portions with time for clients in between.
 * @returns undefined when there is no such queue
 * @throws BackendError when they cannot be read; the signal's reason when the client has left
 */
export function findMessages(
  monitor: Monitor,
  queue: string,
  text: string,
  signal: AbortSignal,
): Promise<Found | undefined> {
  const { work, engine } = monitor;
  const wanted = Buffer.from(text);
  return inTurn(work, signal, async () => {
    const found: Found = { messages: [], searched: 0, hasMore: true };
    const slice = beginSlice(work.slices, signal);
    let after = 0;
    while (found.searched < MAX_SEARCHED) {
      const most = { messages: PORTION, bytes: MAX_BODY_BYTES };
      const portion = await engine.backend.previews(queue, most, after);
      if (portion === undefined) return undefined;
      for (const preview of portion) {
        if (found.messages.length === MAX_FOUND) return found;
        found.searched++;
        if (preview.body.includes(wanted)) found.messages.push(preview);
        after = preview.number;
      }
      if (portion.length === 0) return { ...found, hasMore: false };
      if (isSliceOver(slice, PORTION * MESSAGE_STEPS)) await nextSlice(slice);
    }
    return found;
  });
}
