/** Whatever clients do, and whatever fails: each message is delivered once, or is still there. */
import { expect, test } from "bun:test";

import { StoreError } from "../../src/store/store.ts";
import { newRandom, type Random, seeds } from "../protocol/random.ts";
import { suite } from "../store/scratch.ts";
import { finishAll, type Late, newLate, type When } from "./late.ts";
import { advance, bodiesIn, type Client, disconnect, newClient, put, send, settle } from "./rig.ts";

suite();

const QUEUES = ["q", "r"] as const;
const STEPS = 1500;
const CLIENTS = 8;

/** A consumer that waits for the reply to each request before it sends the next one. */
interface Consumer {
  client: Client;
  asked: "nothing" | "get" | "open" | "close" | "abort";
  queue: (typeof QUEUES)[number];
  /** What it has open, by queue. */
  open: Map<string, string>;
}

/** What is known of each message. */
interface Ledger {
  /** Sets that were asked for, by body, and how they were answered. */
  stored: Set<string>;
  /** How often each message was given away for good. */
  delivered: Map<string, number>;
  /** Closes that were asked for, and not answered before the connection was gone. */
  doubtful: Set<string>;
}

function newConsumer(late: Late): Consumer {
  return { client: newClient(late.rig), asked: "nothing", queue: "q", open: new Map() };
}

function ask(random: Random, consumer: Consumer): void {
  const { client, open } = consumer;
  const queue = random.pick(QUEUES);
  const asked = open.has(queue)
    ? random.pick(["get", "close", "close", "abort"] as const)
    : random.pick(["get", "get", "open", "open"] as const);
  const wait = random.below(4) === 0 ? "/t=40" : "";
  const option = asked === "get" ? wait : `/${asked}${asked === "open" ? wait : ""}`;
  Object.assign(consumer, { asked, queue });
  send(client, `get ${queue}${option}`);
}

/** Looks at what the consumer was sent. */
function note({ delivered }: Ledger, consumer: Consumer): void {
  const { client, asked, queue, open } = consumer;
  const reply = client.received();
  if (reply === "") return;
  expect(reply).toMatch(/^(VALUE .*\r\nEND\r\n|END\r\n|SERVER_ERROR no space\r\n)$/s);
  consumer.asked = "nothing";
  const isFailed = reply.startsWith("SERVER_ERROR");
  const [body] = bodiesIn(reply);
  const deliver = (each: string) => void delivered.set(each, (delivered.get(each) ?? 0) + 1);
  if (body !== undefined && body !== "END") {
    if (asked === "open") open.set(queue, body);
    else deliver(body);
  } else if (asked === "close") {
    if (!isFailed) deliver(open.get(queue) as string);
    open.delete(queue);
  } else if (asked === "abort") {
    // Also when the group fails: what was put back is there.
    open.delete(queue);
  }
}

function leave({ doubtful }: Ledger, { client, asked, queue, open }: Consumer): void {
  if (asked === "close") doubtful.add(open.get(queue) as string);
  disconnect(client);
}

const cases = (["at once", "late"] as const).flatMap((when) =>
  seeds.map((seed) => ({ when, seed })),
);

test.each(cases)(
  "a backend that works $when, seed $seed",
  async ({ when, seed }: { when: When; seed: number }) => {
    const random = newRandom(seed);
    const late = newLate(when, random.pick([1, 3, Infinity]));
    const { rig } = late;
    const { commit } = rig.store;
    const ledger: Ledger = { stored: new Set(), delivered: new Map(), doubtful: new Set() };
    const producer = newClient(rig);
    const consumers = Array.from({ length: CLIENTS }, () => newConsumer(late));
    const sent: string[] = [];
    const noteAll = () => {
      for (const each of consumers) note(ledger, each);
      const replies = producer.received().split("\r\n").slice(0, -1);
      for (const [n, reply] of replies.entries())
        if (reply === "STORED") ledger.stored.add(sent[n] as string);
      sent.splice(0, replies.length);
    };
    for (let n = 0, count = 0; n < STEPS; n++) {
      const at = random.below(CLIENTS);
      const consumer = consumers[at] as Consumer;
      const roll = random.below(100);
      if (roll < 30) {
        sent.push(`${++count}`);
        put(producer, random.pick(QUEUES), `${count}`);
      } else if (roll < 65) {
        noteAll();
        if (consumer.asked === "nothing") ask(random, consumer);
      } else if (roll < 69) {
        noteAll();
        leave(ledger, consumer);
        consumers[at] = newConsumer(late);
      } else if (roll < 75) {
        advance(rig, 10);
      } else if (roll < 78) {
        // No restore is on its way then: its message would be lost.
        await finishAll(late);
        noteAll();
        rig.store.commit = () => {
          rig.store.commit = commit;
          throw new StoreError("no space");
        };
        put(producer, "q", `${++count}`);
        sent.push(`${count}`);
        for (const each of consumers) if (each.asked === "nothing") ask(random, each);
        await finishAll(late);
        rig.store.commit = commit;
      } else if (roll < 88) {
        settle(rig);
      } else {
        await late.finish();
      }
    }
    await finishAll(late);
    advance(rig, 40);
    await finishAll(late);
    noteAll();
    for (const each of consumers) leave(ledger, each);
    const last = newConsumer(late);
    for (const queue of QUEUES) {
      do {
        Object.assign(last, { asked: "get", queue });
        send(last.client, `get ${queue}`);
        await finishAll(late);
        note(ledger, last);
      } while ((rig.backend.summary(queue)?.messages ?? 0) > 0);
    }
    const { stored, delivered, doubtful } = ledger;
    expect([...delivered.values()].filter((times) => times > 1)).toEqual([]);
    expect([...delivered.keys()].filter((body) => !stored.has(body))).toEqual([]);
    expect([...stored].filter((body) => !delivered.has(body) && !doubtful.has(body))).toEqual([]);
    expect(stored.size).toBeGreaterThan(100);
  },
);
