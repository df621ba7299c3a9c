import { StoreError } from "../../store/store.ts";
import { forgetArrival } from "./arrivals.ts";
import { QUEUE_BYTES } from "./cache.ts";
import { noteMade } from "./children.ts";
import { newQueue, type Queue } from "./queue.ts";
import type { Local } from "./state.ts";

/** @throws StoreError when there are too many queues */
export function createQueue(local: Local, name: string): Queue {
  const id = local.store.newQueueId();
  if (id !== undefined) forgetArrival(local.arrivals, id);
  if (id === undefined) throw new StoreError("too many queues");
  const queue = newQueue({ queue: id, name, head: 1, tail: 1, bytes: 0, held: [] });
  local.queues.set(name, queue);
  noteMade(local.fanout.children, name);
  local.changes.created.push(queue);
  local.changes.bytes += QUEUE_BYTES;
  return queue;
}
