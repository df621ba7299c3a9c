import { readStats, shorten } from "./answers.ts";
import { DrainError, type Peer } from "./peer.ts";
import type { QueueList } from "./source.ts";

/** MemcacheQ 0.2 ends its list of queues before 2048 bytes, without a word; a line is up to 278 bytes. */
const MAX_COMPLETE_LIST = 2048 - 278;

/** The queues in `stats queue`. @param isOriginal it is MemcacheQ 0.2, whose list may be cut */
export async function listInStatsQueue(
  peer: Peer,
  name: string,
  isOriginal: boolean,
): Promise<QueueList> {
  const names: string[] = [];
  let size = 0;
  peer.send("stats queue\r\n");
  for (let line = await peer.line(); line !== "END"; line = await peer.line()) {
    const [, queue] = /^STAT (\S+) \d+\/\d+$/.exec(line) ?? [];
    if (queue === undefined) {
      throw new DrainError(
        `${name} does not tell its queues, it answers "${shorten(line)}" to "stats queue": ` +
          "name them, with --queues",
      );
    }
    names.push(queue);
    size += line.length + 2;
  }
  return { names, isCut: isOriginal && size > MAX_COMPLETE_LIST };
}

/** The queues in plain `stats`, and how many messages each has. */
export async function readItems(peer: Peer, name: string): Promise<Map<string, number>> {
  return itemsIn(await readStats(peer, name));
}

/**
 * The lines of a queue follow each other, `queue_<name>_items` first. With Kestrel and Starling one of them is
 * `queue_<name>_total_items`, which is not about a queue whose name ends in `_total`; but that may follow.
 */
export function itemsIn(
  rows: readonly (readonly [name: string, value: string])[],
): Map<string, number> {
  const hasTotals = rows.some(([row]) => /^queue_.+_logsize$/.test(row));
  const items = new Map<string, number>();
  let queue = "";
  let seen = new Set<string>();
  for (const [row, value] of rows) {
    const own = row.startsWith(`queue_${queue}_`) ? row.slice(`queue_${queue}_`.length) : "";
    const isOwn = hasTotals && OTHER_ITEMS.has(own) && !seen.has(own);
    const [, name] = /^queue_(.+)_items$/.exec(row) ?? [];
    if (queue !== "" && isOwn) {
      seen.add(own);
    } else if (name !== undefined) {
      queue = name;
      seen = new Set();
      items.set(name, Number(value));
    }
  }
  return items;
}

/** Lines of a queue that end like the number of its messages. */
const OTHER_ITEMS: ReadonlySet<string> = new Set(["total_items", "expired_items", "mem_items"]);
