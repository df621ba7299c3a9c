/** Random commands, answered as a few arrays would answer them, over stops and crashes. */
import { describe, expect, test } from "bun:test";

import { type Client, type Message, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { start, suite } from "./harness.ts";

suite();

const MB = 1024 * 1024;
/** Around every size at which a server may store a message in another way. */
const sizes = [
  0,
  1,
  2,
  10,
  100,
  500,
  1000,
  4000,
  4096,
  8191,
  16_383,
  16_384,
  20_000,
  65_527,
  65_536,
  70_000,
  262_144,
  MB,
];

/** Numbers from 0 up to `below`, the same for the same seed. */
function dice(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761 + 1;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

type Stored = Required<Message>;
/** What can be taken, in order, and what each of the connections has open. */
type Queue = { messages: Stored[]; open: Map<number, Stored>; sets: number; gets: number };

/** What the server must hold. */
function model() {
  const queues = new Map<string, Queue>();

  function giveBack({ messages, open }: Queue, who: number): void {
    const mine = open.get(who);
    if (!mine) return;
    open.delete(who);
    messages.push(mine);
    messages.sort((one, two) => one.number - two.number);
  }

  /** Does to a queue what a key's options say, as the connection `who`. */
  function ask(who: number, queue: Queue, options: readonly string[]): Stored | undefined {
    const { messages, open } = queue;
    if (options.includes("abort")) giveBack(queue, who);
    if (options.includes("close") && open.delete(who)) queue.gets++;
    if (options.includes("peek")) return messages[0];
    const keeps = options.includes("open");
    if (!keeps && (options.includes("close") || options.includes("abort"))) return undefined;
    const taken = messages.shift();
    if (taken && keeps) open.set(who, taken);
    else if (taken) queue.gets++;
    return taken;
  }

  return {
    append(queue: string, flags: number, body: string): void {
      const found: Queue = queues.get(queue) ?? { messages: [], open: new Map(), sets: 0, gets: 0 };
      queues.set(queue, found);
      found.messages.push({ queue, flags, body, number: ++found.sets });
    },
    take: (who: number, keys: readonly string[]): Stored[] =>
      keys.flatMap((key) => {
        const [name = "", ...options] = key.split("/");
        const queue = queues.get(name);
        const message = queue && ask(who, queue, options);
        return message ? [{ ...message, queue: key }] : [];
      }),
    flush(name: string): void {
      const queue = queues.get(name);
      if (queue) queue.gets += queue.messages.splice(0).length;
    },
    remove: (name: string): boolean => queues.delete(name),
    holds: (who: number, name: string): boolean => queues.get(name)?.open.has(who) ?? false,
    /** All connections end. */
    release(): void {
      for (const queue of queues.values()) {
        for (const who of queue.open.keys()) giveBack(queue, who);
      }
    },
    statistics: () => [...queues].map(([name, { sets, gets }]) => `STAT ${name} ${sets}/${gets}`),
  };
}

/** A message in the output of a failed comparison, without its megabyte. */
const brief = ({ queue, flags, number, body }: Message): string =>
  `${queue} flags ${flags} number ${number} of ${body.length} bytes ${Bun.hash(body)}`;

/** One command, and how its answer is read and checked. */
type Step = { sent: string | Buffer; check: (client: Client) => Promise<void> };

function line(sent: string | Buffer, answer: string): Step {
  return { sent, check: async (client) => expect(await client.line()).toBe(answer) };
}

/** Makes up commands, and keeps book of what they do. */
function script(seed: number) {
  const random = dice(seed);
  const truth = model();
  const name = () => ["a", "b", "c", "d"][random(4)] ?? "";
  let count = 0;

  function append(): Step {
    const size = sizes[random(random(6) ? 9 : sizes.length)] ?? 0;
    const body = Buffer.alloc(size, `${++count};`);
    const queue = name();
    truth.append(queue, count, body.toString("latin1"));
    return line(set(queue, body, count), "STORED");
  }

  function ask(who: number, keys: readonly string[]): Step {
    const expected = truth.take(who, keys).map(brief);
    const check = async (client: Client) => {
      expect((await client.messages()).map(brief)).toEqual(expected);
    };
    return { sent: `gets ${keys.join(" ")}\r\n`, check };
  }

  function take(who: number): Step {
    return ask(who, Array.from({ length: 1 + random(6) }, name));
  }

  function option(who: number): Step {
    const queue = name();
    const choice = ["open", "close", "abort", "peek", "close/open", "t=0"][random(6)] ?? "";
    if (choice === "open" && truth.holds(who, queue)) {
      return line(`get ${queue}/open\r\n`, `CLIENT_ERROR a message of ${queue} is open already`);
    }
    return ask(who, [`${queue}/${choice}`]);
  }

  function remove(): Step {
    const queue = name();
    return line(`delete ${queue}\r\n`, truth.remove(queue) ? "DELETED" : "NOT_FOUND");
  }

  function flush(): Step {
    const queue = name();
    truth.flush(queue);
    return line(`flush ${queue}\r\n`, "END");
  }

  return {
    random,
    /** The next command of the connection `who`; `share` of a hundred are sets. */
    step(who: number, share: number): Step {
      if (random(100) < share) return append();
      const roll = random(60);
      if (roll === 0) return remove();
      if (roll === 1) return flush();
      return roll < 30 ? option(who) : take(who);
    },
    statistics: (): Step => {
      const expected = [...truth.statistics(), "END"];
      return { sent: "stats queue\r\n", check: (client) => expectLines(client, expected) };
    },
    release: truth.release,
  };
}

describe.each([
  ["-m 1", ["-m", "1"]],
  ["-m 1 -N, many small transactions", ["-m", "1", "-N", "-L", "4"]],
  ["-m 64", ["-m", "64"]],
])("%s", (_title, flags) => {
  test.each([1, 2, 3, 4, 5, 6])("random commands, seed %d", async (seed) => {
    const { random, step, statistics, release } = script(seed);
    let home: string | undefined;
    for (let life = 0; life < 4; life++) {
      const options = home === undefined ? {} : { home };
      const server = await start([...flags, "-B", `${MB}`], options);
      const clients = [await server.connect(), await server.connect()] as const;
      for (let round = 0; round < 40; round++) {
        // Filling and emptying take turns, so that queues get long, and are drained.
        const share = round % 10 < 5 ? 70 : 15;
        const who = random(2);
        const client = who ? clients[1] : clients[0];
        const steps = Array.from({ length: 1 + random(30) }, () => step(who, share));
        steps.push(statistics());
        for (const { sent } of steps) client.send(sent);
        for (const { check } of steps) await check(client);
      }
      await (random(2) ? server.stop() : server.kill9());
      release();
      home = server.home;
    }
  });
});
