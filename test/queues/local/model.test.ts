/** Random requests, commits, failures and restarts, against a model that is a few lists. */
import { expect, test } from "bun:test";

import { deleteQueue } from "../../../src/queues/local/broker.ts";
import { type Consumer, newConsumer, type Taking } from "../../../src/queues/local/consumer.ts";
import { newRandom, seeds } from "../../protocol/random.ts";
import { suite } from "../../store/scratch.ts";
import {
  abort,
  close,
  details,
  faults,
  flush,
  leave,
  newShop,
  put,
  restart,
  save,
  take,
  type Taken,
  undo,
} from "./shop.ts";

suite();

interface Queue {
  sets: number;
  /** What can be taken, by number. */
  there: Taken[];
  /** Who has what open. */
  open: Map<Consumer, Taken>;
}

/** What a consumer took in the current batch. */
type Gone = { consumer: Consumer; queue: Queue; message: Taken };

function model() {
  let queues = new Map<string, Queue>();
  let saved = new Map<string, Queue>();
  let taken: Gone[] = [];

  const copy = (from: Map<string, Queue>) =>
    new Map(
      [...from].map(([name, { sets, there, open }]): [string, Queue] => [
        name,
        { sets, there: [...there], open: new Map(open) },
      ]),
    );
  function putBack({ there }: Queue, message: Taken): void {
    there.push(message);
    there.sort((a, b) => a.number - b.number);
  }

  return {
    get queues() {
      return queues;
    },
    put(name: string, flags: number, body: string): void {
      const queue: Queue = queues.get(name) ?? { sets: 0, there: [], open: new Map() };
      queues.set(name, queue);
      queue.there.push({ flags, body, number: ++queue.sets });
    },
    take(name: string, consumer: Consumer, taking: Taking): Taken | undefined {
      const queue = queues.get(name);
      if (taking === "peek" || queue?.there[0] === undefined) return queue?.there[0];
      const message = queue.there.shift() as Taken;
      if (taking === "open") queue.open.set(consumer, message);
      else taken.push({ consumer, queue, message });
      return message;
    },
    isOpen: (name: string, consumer: Consumer) => queues.get(name)?.open.has(consumer) ?? false,
    close: (name: string, consumer: Consumer) => queues.get(name)?.open.delete(consumer) ?? false,
    abort(name: string, consumer: Consumer): void {
      const queue = queues.get(name);
      const message = queue?.open.get(consumer);
      if (queue === undefined || message === undefined) return;
      queue.open.delete(consumer);
      putBack(queue, message);
    },
    leave(consumer: Consumer): void {
      for (const name of queues.keys()) this.abort(name, consumer);
      for (const { queue, message } of taken.filter((each) => each.consumer === consumer)) {
        putBack(queue, message);
      }
      taken = taken.filter((each) => each.consumer !== consumer);
      // In a queue that was dropped, if that fails.
      for (const queue of saved.values()) {
        const message = queue.open.get(consumer);
        if (message === undefined) continue;
        queue.open.delete(consumer);
        putBack(queue, message);
      }
    },
    flush(name: string): void {
      const queue = queues.get(name);
      if (queue !== undefined) queue.there = [];
    },
    remove: (name: string) => queues.delete(name),
    save(): void {
      saved = copy(queues);
      taken = [];
    },
    /** @param stillOpen whether the consumer did nothing with it in the batch */
    undo(stillOpen: (name: string, consumer: Consumer, message: Taken) => boolean): void {
      for (const [name, queue] of saved) {
        for (const [consumer, message] of [...queue.open]) {
          if (stillOpen(name, consumer, message)) continue;
          queue.open.delete(consumer);
          putBack(queue, message);
        }
      }
      queues = copy(saved);
      taken = [];
    },
    restart(): void {
      this.undo(() => false);
      this.save();
    },
  };
}

const names = ["a", "b", "c"] as const;
const sizes = [0, 1, 30, 400, 5000, 16_383, 16_384, 40_000, 70_000];

test.each(seeds)("seed %d", (seed) => {
  const random = newRandom(seed);
  const shop = newShop(150_000);
  const truth = model();
  let consumers = Array.from({ length: 5 }, newConsumer);
  /** What was closed or put back in the current batch, though opened before: a failure gives it back. */
  let settled = new Set<Taken>();
  let count = 0;
  let done = 0;

  function settle(name: string, consumer: Consumer): void {
    const message = truth.queues.get(name)?.open.get(consumer);
    if (message !== undefined) settled.add(message);
  }

  function act(): void {
    const name = random.pick(names);
    const at = random.below(consumers.length);
    const consumer = consumers[at] as Consumer;
    const roll = random.below(100);
    if (roll < 40) {
      const size = random.pick(sizes);
      const body = Buffer.alloc(size, `${++count};`).toString("latin1");
      truth.put(name, count, body);
      expect(put(shop, name, body, count)).toBe(true);
    } else if (roll < 75) {
      const taking = random.pick(["take", "take", "open", "peek"] as const);
      if (taking === "open" && truth.isOpen(name, consumer)) return;
      expect(take(shop, name, consumer, taking)).toEqual(truth.take(name, consumer, taking));
    } else if (roll < 84) {
      settle(name, consumer);
      expect(close(shop, name, consumer)).toBe(truth.close(name, consumer));
    } else if (roll < 92) {
      settle(name, consumer);
      truth.abort(name, consumer);
      abort(shop, name, consumer);
    } else if (roll < 96) {
      for (const each of names) settle(each, consumer);
      truth.leave(consumer);
      leave(shop, consumer);
      consumers[at] = newConsumer();
    } else if (roll < 98) {
      truth.flush(name);
      flush(shop, name);
    } else if (roll < 99) {
      expect(deleteQueue(shop.broker, name)).toBe(truth.remove(name));
    }
    done++;
  }

  function expectSame(): void {
    expect(faults(shop)).toEqual([]);
    expect([...shop.broker.queues.keys()].sort()).toEqual([...truth.queues.keys()].sort());
    for (const [name, { sets, there, open }] of truth.queues) {
      const all = [...there, ...open.values()];
      expect(details(shop, name)).toMatchObject({
        sets,
        gets: sets - all.length,
        messages: all.length,
        open: open.size,
        bytes: all.reduce((total, { body }) => total + body.length, 0),
      });
    }
  }

  for (let batch = 0; batch < 400; batch++) {
    for (let n = random.below(25); n > 0; n--) act();
    const roll = random.below(20);
    if (roll < 15) {
      truth.save();
      save(shop);
      expect(shop.broker.memory.used).toBeLessThanOrEqual(150_000);
    } else if (roll < 18) {
      truth.undo((_name, _consumer, message) => !settled.has(message));
      undo(shop);
    } else {
      truth.restart();
      restart(shop);
      consumers = consumers.map(newConsumer);
    }
    settled = new Set();
    expectSame();
  }
  expect(done).toBeGreaterThan(3000);
  for (const [name, { there }] of truth.queues) {
    for (const message of there) expect(take(shop, name)).toEqual(message);
    expect(take(shop, name)).toBeUndefined();
  }
});
