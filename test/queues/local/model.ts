/** What the queues do, as plain lists, to be compared with what they did. */
import type { LocalConsumer } from "../../../src/queues/local/queue.ts";
import type { Operation, Outcome } from "../../../src/queues/operation.ts";
import type { Taken } from "./shop.ts";

interface ModelQueue {
  /** No other queue has it, also not one of the same name before or after. */
  serial: number;
  sets: number;
  /** What can be taken, by number. */
  available: Taken[];
  open: Map<LocalConsumer, Taken>;
  paused: number | undefined;
  /** What waits for its time, and until when. */
  waiting: Map<Taken, number>;
  /** Of messages that were ever set. */
  ids: Set<string>;
  leased: Map<Taken, ModelLease>;
  /** How often a message was delivered, a lease or an open one not counted before it has ended. */
  counts: Map<Taken, number>;
  /** Messages that came as dead letters, and from which queues. */
  buried: Set<Taken>;
  origins: Map<Taken, string>;
  /** When messages expire, by their numbers; those that never do are not in it. */
  expires: Map<number, number>;
}

interface ModelLease {
  /** What the client was told. */
  told: number;
  until: number;
}

/** What happens to messages that come back. */
export interface ModelRetry {
  deliveries: number;
  first: number;
  most: number;
}

/** A name that is there: what a client can be told of the queue. */
export interface Counters {
  name: string;
  messages: number;
  bytes: number;
  open: number;
  sets: number;
  gets: number;
  paused: number | undefined;
  delayed: number;
  leased: number;
}

/** What an operation should tell. */
export interface Expected {
  outcome: Outcome;
  message?: Taken;
  rows?: Partial<Counters>[];
}

/** Of a message that was taken: what is needed to restore it. */
export interface Delivered {
  queue: string;
  queueId: number;
  serial: number;
  message: Taken;
  /** How often it was delivered before. */
  deliveries: number;
}

/** The most that a queue may have; `drops` says that the oldest messages make room for a new one. */
export interface ModelLimit {
  messages: number;
  bytes: number;
  drops: boolean;
}

/** Operations that look at the oldest message. */
const LOOKING = new Set(["take", "open", "lease", "move", "peek"]);

const NO_RETRY: ModelRetry = { deliveries: Infinity, first: 0, most: 0 };
const NO_LIMIT: ModelLimit = { messages: Infinity, bytes: Infinity, drops: false };

export class Model {
  queues = new Map<string, ModelQueue>();
  /** As of the last commit. */
  #saved = new Map<string, ModelQueue>();
  /** Messages that the group opened, and those that were open before and that it closed or put back. */
  #opened = new Set<Taken>();
  #settled = new Set<Taken>();
  #serials = 0;
  /** Milliseconds. */
  now = 0;
  readonly #limits: Readonly<Record<string, ModelLimit>>;

  readonly #retries: Readonly<Record<string, ModelRetry>>;
  readonly #copies: Readonly<Record<string, readonly string[]>>;
  readonly #expiring: readonly string[];
  readonly #startedAt: number;

  /**
   * @param limits by the names of the queues, as the retries, and where their messages are copied to
   * @param expiring queues whose messages have a time of their own to expire
   * @param startedAt the calendar at the beginning
   */
  constructor(
    limits: Readonly<Record<string, ModelLimit>> = {},
    retries: Readonly<Record<string, ModelRetry>> = {},
    copies: Readonly<Record<string, readonly string[]>> = {},
    expiring: readonly string[] = [],
    startedAt = 0,
  ) {
    this.#limits = limits;
    this.#retries = retries;
    this.#copies = copies;
    this.#expiring = expiring;
    this.#startedAt = startedAt;
  }

  /** What the operation tells now; it changes nothing. */
  expect(one: Operation): Expected {
    return this.#expectIn(this.queues, one);
  }

  /** What it would have told before the group. */
  expectBefore(one: Operation): Expected {
    return this.#expectIn(this.#saved, one);
  }

  #expectIn(queues: ReadonlyMap<string, ModelQueue>, one: Operation): Expected {
    if (one.kind === "put" && queues.get(one.queue)?.ids.has(one.id) === true) {
      return { outcome: "repeated" };
    }
    if (one.kind === "return") {
      return { outcome: this.#returning(queues, one) };
    }
    if (one.kind !== "put") return expectIn(queues, one);
    if (one.source !== "" && heldBy(queues, one) === undefined) return { outcome: "unheld" };
    const isStored = this.#roomFor(queues.get(one.queue), one) !== undefined;
    return { outcome: isStored ? "done" : "full" };
  }

  /** How many messages must go for a new one; undefined when there is no room for it. */
  #roomFor(queue: ModelQueue | undefined, { queue: name, start, end }: Operation) {
    const { messages, bytes, drops } = this.#limits[name] ?? NO_LIMIT;
    const available = queue?.available ?? [];
    const open = [
      ...(queue?.open.values() ?? []),
      ...(queue?.waiting.keys() ?? []),
      ...(queue?.leased.keys() ?? []),
    ];
    for (let dropped = 0; dropped <= (drops ? available.length : 0); dropped++) {
      const left = [...available.slice(dropped), ...open];
      const leftBytes = left.reduce((total, { body }) => total + body.length, 0);
      if (left.length < messages && leftBytes + end - start <= bytes) return dropped;
    }
    return undefined;
  }

  /** Messages in the operation's way that have expired are gone. */
  dropExpired({ kind, queue: name, consumer }: Operation): void {
    const queue = this.queues.get(name);
    if (queue === undefined || !LOOKING.has(kind)) return;
    if (kind === "open" && queue.open.has(consumer as LocalConsumer)) return;
    if (queue.paused === 0 && kind !== "peek") return;
    while (this.#isExpired(queue, queue.available[0])) queue.available.shift();
  }

  #isExpired({ expires }: ModelQueue, message: Taken | undefined): boolean {
    return message !== undefined && (expires.get(message.number) ?? Infinity) <= this.now;
  }

  /** What a client can still be given. */
  fresh(queue: ModelQueue): Taken[] {
    return queue.available.filter((message) => !this.#isExpired(queue, message));
  }

  /** Moves so many of the messages that can be taken, or drops them where they have expired. */
  #moveAll(queue: ModelQueue | undefined, to: string, count: number): void {
    if (queue === undefined || queue.paused === 0) return;
    for (let n = 0; n < count; n++) {
      const message = queue.available.shift() as Taken;
      if (!this.#isExpired(queue, message)) this.#moveTo(to, message);
    }
  }

  /** The operation is done; `delivered` is what it restores. */
  apply(one: Operation, delivered: Delivered | undefined): void {
    const consumer = one.consumer as LocalConsumer;
    const queue = this.queues.get(one.queue);
    switch (one.kind) {
      case "put":
        queue?.available.splice(0, this.#roomFor(queue, one) ?? 0);
        this.#put(one);
        for (const name of this.#copies[one.queue] ?? [])
          this.#copy({ ...one, queue: name, id: "" });
        this.closeSource(one);
        break;
      case "move":
        this.#moveTo(one.target, queue?.available.shift() as Taken);
        break;
      case "move all": {
        const { left = 0 } = (one.cursor as { left?: number } | undefined) ?? {};
        const all = queue?.available.length ?? 0;
        this.#moveAll(queue, one.target, one.outcome === "more" ? all - left : all);
        break;
      }
      case "pass":
        this.#moveTo(one.target, this.#settle(queue, consumer) as Taken);
        break;
      case "remove":
        if (queue !== undefined) this.#remove(queue, one.number);
        break;
      case "give back":
        if (queue !== undefined) this.#giveBack(queue, one);
        break;
      case "return": {
        const message = queue?.available.find(({ number }) => number === one.number) as Taken;
        this.#moveTo(queue?.origins.get(message) ?? "", message);
        if (queue !== undefined) this.#remove(queue, one.number);
        break;
      }
      case "take":
        queue?.available.shift();
        break;
      case "open": {
        const message = queue?.available.shift() as Taken;
        queue?.open.set(consumer, message);
        this.#opened.add(message);
        break;
      }
      case "close":
        this.#settle(queue, consumer);
        break;
      case "lease": {
        const message = queue?.available.shift() as Taken;
        const told = toldNumber(queue, message);
        queue?.leased.set(message, { told, until: this.now + one.lease });
        break;
      }
      case "acknowledge":
      case "extend":
        this.#changeLease(queue, one);
        break;
      case "abort":
        this.#putBackCounted(one.queue, queue, this.#settle(queue, consumer), one.delay);
        break;
      case "release":
        for (const [name, each] of [...this.queues]) {
          this.#putBackCounted(name, each, this.#settle(each, consumer));
        }
        // Also in a queue that the group deletes, should that be undone.
        for (const each of this.#saved.values()) {
          const message = each.open.get(consumer);
          if (message !== undefined) this.#settled.add(message);
        }
        break;
      case "restore":
        if (queue === undefined || delivered === undefined) break;
        if (queue.serial !== delivered.serial) break;
        putBack(queue, delivered.message);
        if (delivered.deliveries > 0) queue.counts.set(delivered.message, delivered.deliveries);
        break;
      case "delete":
        this.queues.delete(one.queue);
        break;
      case "pause":
      case "resume":
        if (queue !== undefined) queue.paused = one.kind === "pause" ? one.until : undefined;
        break;
      case "flush":
        if (queue !== undefined) flush(queue);
        break;
      case "flush all":
        for (const each of this.queues.values()) flush(each);
        break;
      default:
    }
  }

  closeSource(one: Operation): void {
    const message = one.source === "" ? undefined : heldBy(this.queues, one);
    const queue = this.queues.get(one.source);
    if (message === undefined) return;
    if (one.sourceNumber === 0) this.#settle(queue, one.consumer as LocalConsumer);
    else queue?.leased.delete(message);
  }

  #moveTo(name: string, { flags, body }: Taken): void {
    const queue = this.#made(name);
    queue.available.push({ flags, number: ++queue.sets, body });
  }

  #remove(queue: ModelQueue, number: number): void {
    const [consumer] = openIn(queue, number) ?? [];
    if (consumer !== undefined) this.#settle(queue, consumer);
    queue.available = queue.available.filter((message) => message.number !== number);
    for (const map of [queue.waiting, queue.leased]) {
      for (const message of [...map.keys()]) if (message.number === number) map.delete(message);
    }
  }

  #giveBack(queue: ModelQueue, one: Operation): void {
    const [consumer] = openByTold(queue, one.number) ?? [];
    if (consumer === undefined)
      return this.#changeLease(queue, { ...one, kind: "extend", lease: 0 });
    this.#putBackCounted(one.queue, queue, this.#settle(queue, consumer));
  }

  /** Whether the message returns to where it came from. */
  #returning(queues: ReadonlyMap<string, ModelQueue>, { number, queue: name }: Operation): Outcome {
    const queue = queues.get(name);
    const message = queue?.available.find((each) => each.number === number);
    const origin = message && queue?.origins.get(message);
    if (message === undefined || origin === undefined || origin === name) return "absent";
    const sized = { queue: origin, start: 0, end: message.body.length } as Operation;
    return this.#roomFor(queues.get(origin), sized) === 0 ? "done" : "failed";
  }

  #changeLease(
    queue: ModelQueue | undefined,
    { kind, queue: name, number, lease }: Operation,
  ): void {
    for (const [message, { told }] of [...(queue?.leased ?? [])]) {
      if (told !== number) continue;
      if (kind === "extend" && lease > 0) {
        queue?.leased.set(message, { told, until: this.now + lease });
        continue;
      }
      queue?.leased.delete(message);
      if (kind === "acknowledge") continue;
      if (lease < 0 && queue !== undefined && !queue.buried.has(message)) this.#bury(name, message);
      else this.#putBackCounted(name, queue, message);
    }
  }

  /** It was delivered in vain. */
  #putBackCounted(
    name: string,
    queue: ModelQueue | undefined,
    message: Taken | undefined,
    delay = -1,
  ): void {
    if (queue === undefined || message === undefined) return;
    const { deliveries, first, most } = this.#retries[name] ?? NO_RETRY;
    const count = (queue.counts.get(message) ?? 0) + 1;
    if (count >= deliveries && !queue.buried.has(message)) {
      this.#bury(name, message);
      return;
    }
    queue.counts.set(message, count);
    const pause = delay >= 0 ? delay : Math.min(most, first * 2 ** (count - 1));
    if (pause > 0) queue.waiting.set(message, this.now + pause);
    else putBack(queue, message);
  }

  #bury(name: string, { flags, body }: Taken): void {
    const dead = this.#made(`${name}.dead`);
    const message = { flags, number: ++dead.sets, body };
    dead.available.push(message);
    dead.buried.add(message);
    dead.origins.set(message, name);
  }

  /** Leases that are over by now end, in a commit of their own. */
  endLeases(): void {
    const ended = [...this.queues].flatMap(([name, queue]) =>
      [...queue.leased]
        .filter(([, { until }]) => until <= this.now)
        .map(([message, { until }]) => ({ name, queue, message, until })),
    );
    ended.sort(
      (a, b) =>
        a.until - b.until || a.queue.serial - b.queue.serial || a.message.number - b.message.number,
    );
    for (const { name, queue, message } of ended) {
      queue.leased.delete(message);
      this.#putBackCounted(name, queue, message);
    }
    this.save();
  }

  /** What is due by now can be taken. */
  bringDue(): void {
    for (const queue of this.queues.values()) bringDue(queue, this.now);
    for (const queue of this.#saved.values()) bringDue(queue, this.now);
  }

  save(): void {
    this.#saved = copy(this.queues);
    this.#begin();
  }

  /** The group failed: what is open, and was not closed or put back, is open still. */
  undo(): void {
    giveBack(this.#saved, (message) => this.#settled.has(message));
    this.queues = copy(this.#saved);
    this.#begin();
  }

  /** The group was told as failed, and is true all the same: the queues were read anew. */
  saveUntold(): void {
    giveBack(this.queues, (message) => this.#opened.has(message));
    this.save();
  }

  restart(): void {
    giveBack(this.#saved, () => true);
    this.queues = copy(this.#saved);
    this.#begin();
  }

  counters(): Counters[] {
    return [...this.queues].map(([name, queue]) => countersOf(name, queue));
  }

  #begin(): void {
    this.#opened.clear();
    this.#settled.clear();
  }

  /** A copy that there is no room for is missed. */
  #copy(one: Operation): void {
    const dropped = this.#roomFor(this.queues.get(one.queue), one);
    if (dropped === undefined) return;
    this.queues.get(one.queue)?.available.splice(0, dropped);
    this.#put(one);
  }

  #made(name: string): ModelQueue {
    let queue = this.queues.get(name);
    if (queue === undefined) {
      queue = {
        serial: ++this.#serials,
        sets: 0,
        available: [],
        open: new Map(),
        paused: undefined,
        ids: new Set(),
        waiting: new Map(),
        leased: new Map(),
        counts: new Map(),
        buried: new Set(),
        origins: new Map(),
        expires: new Map(),
      };
      this.queues.set(name, queue);
    }
    return queue;
  }

  #put({ queue: name, flags, body, start, end, delay, id, expires }: Operation): void {
    const queue = this.#made(name);
    if (id !== "") queue.ids.add(id);
    const number = ++queue.sets;
    if (this.#expiring.includes(name) && expires > 0) {
      // Counted up to the next full second.
      queue.expires.set(number, Math.ceil(expires / 1000) * 1000 - this.#startedAt);
    }
    const message = { flags, number, body: body.toString("latin1", start, end) };
    if (delay > 0) queue.waiting.set(message, this.now + delay);
    else queue.available.push(message);
  }

  #settle(queue: ModelQueue | undefined, consumer: LocalConsumer): Taken | undefined {
    const message = queue?.open.get(consumer);
    if (message === undefined) return undefined;
    queue?.open.delete(consumer);
    this.#settled.add(message);
    return message;
  }
}

/** The message that a set closes, if it is held. */
function heldBy(queues: ReadonlyMap<string, ModelQueue>, one: Operation): Taken | undefined {
  const queue = queues.get(one.source);
  if (one.sourceNumber === 0) return queue?.open.get(one.consumer as LocalConsumer);
  const found = [...(queue?.leased ?? [])].find(([, { told }]) => told === one.sourceNumber);
  return found?.[0];
}

function openIn({ open }: ModelQueue, number: number) {
  return [...open].find(([, message]) => message.number === number);
}

function openByTold(queue: ModelQueue, told: number) {
  return [...queue.open].find(([, message]) => toldNumber(queue, message) === told);
}

/** Whether the message is in the queue, held or not. */
function isIn({ available, open, waiting, leased }: ModelQueue, number: number): boolean {
  const all = [...available, ...open.values(), ...waiting.keys(), ...leased.keys()];
  return all.some((message) => message.number === number);
}

/** What a lease of the message tells now. */
function toldNumber(queue: ModelQueue | undefined, message: Taken): number {
  return message.number + 2 ** 43 * (queue?.counts.get(message) ?? 0);
}

function flush(queue: ModelQueue): void {
  queue.available = [];
  queue.waiting.clear();
}

function bringDue(queue: ModelQueue, now: number): void {
  for (const [message, due] of queue.waiting) {
    if (due > now) continue;
    queue.waiting.delete(message);
    putBack(queue, message);
  }
}

function giveBack(queues: Map<string, ModelQueue>, which: (message: Taken) => boolean): void {
  for (const queue of queues.values()) {
    for (const [consumer, message] of [...queue.open]) {
      if (!which(message)) continue;
      queue.open.delete(consumer);
      putBack(queue, message);
    }
  }
}

function putBack(queue: ModelQueue | undefined, message: Taken | undefined): void {
  if (queue === undefined || message === undefined) return;
  const at = queue.available.findIndex(({ number }) => number > message.number);
  queue.available.splice(at < 0 ? queue.available.length : at, 0, message);
}

function copy(queues: Map<string, ModelQueue>): Map<string, ModelQueue> {
  return new Map(
    [...queues].map(([name, queue]) => [
      name,
      {
        ...queue,
        available: [...queue.available],
        open: new Map(queue.open),
        ids: new Set(queue.ids),
        waiting: new Map(queue.waiting),
        leased: new Map(queue.leased),
        counts: new Map(queue.counts),
        buried: new Set(queue.buried),
        origins: new Map(queue.origins),
        expires: new Map(queue.expires),
      },
    ]),
  );
}
/** What a list of all queues tells of one. */
function listed(...queue: Parameters<typeof countersOf>): Partial<Counters> {
  const { name, sets, gets } = countersOf(...queue);
  return { name, sets, gets };
}

function countersOf(
  name: string,
  { sets, available, open, waiting, leased, paused }: ModelQueue,
): Counters {
  const all = [...available, ...open.values(), ...waiting.keys(), ...leased.keys()];
  return {
    name,
    messages: all.length,
    bytes: all.reduce((total, { body }) => total + body.length, 0),
    open: open.size,
    sets,
    gets: sets - all.length,
    paused,
    delayed: waiting.size,
    leased: leased.size,
  };
}

function expectIn(queues: ReadonlyMap<string, ModelQueue>, one: Operation): Expected {
  const queue = queues.get(one.queue);
  const consumer = one.consumer as LocalConsumer;
  switch (one.kind) {
    case "take":
    case "open":
    case "lease":
    case "move":
    case "peek": {
      if (one.kind === "open" && queue?.open.has(consumer)) return { outcome: "held" };
      const isPaused = queue?.paused === 0 && one.kind !== "peek";
      const message = isPaused ? undefined : queue?.available[0];
      if (message === undefined) return { outcome: "absent" };
      const number = one.kind === "lease" ? toldNumber(queue, message) : message.number;
      const digits = `${message.flags}${message.body.length}${number}`.length;
      const left = one.room?.left ?? Infinity;
      if (message.body.length + digits > left) return { outcome: "too large" };
      return { outcome: "done", message: { ...message, number } };
    }
    case "acknowledge":
    case "extend": {
      const isLeased = [...(queue?.leased.values() ?? [])].some(({ told }) => told === one.number);
      return { outcome: isLeased ? "done" : "absent" };
    }
    case "remove": {
      const isThere = queue !== undefined && isIn(queue, one.number);
      return { outcome: isThere ? "done" : "absent" };
    }
    case "give back": {
      const isLeased = [...(queue?.leased.values() ?? [])].some(({ told }) => told === one.number);
      const isOpen = queue !== undefined && openByTold(queue, one.number) !== undefined;
      return { outcome: isLeased || isOpen ? "done" : "absent" };
    }
    case "check":
      return { outcome: queue?.open.has(consumer) ? "held" : "done" };
    case "close":
    case "abort":
    case "pass":
      return { outcome: queue?.open.has(consumer) ? "done" : "absent" };
    case "delete":
    case "pause":
    case "resume":
      return { outcome: queue === undefined ? "absent" : "done" };
    case "details":
      if (queue === undefined) return { outcome: "absent" };
      return { outcome: "done", rows: [countersOf(one.queue, queue)] };
    case "list":
      return { outcome: "done", rows: [...queues].map(([name, each]) => listed(name, each)) };
    default:
      return { outcome: "done" };
  }
}
