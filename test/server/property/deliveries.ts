/** Random commands of several clients, in all dialects, over kills and stops, against a model that is a few lists. */
import { expect } from "bun:test";

import { newRandom, type Random } from "../../protocol/random.ts";
import { eventually, type Server, start } from "../harness.ts";
import {
  abort,
  bury,
  detailsOf,
  giveBack,
  type Message,
  type Model,
  move,
  newModel,
  oldest,
  put,
  type Queue,
  release,
  remove,
  restart,
  type Source,
  toldNumber,
} from "./delivery_model.ts";
import { connectSpeaker, dialects, type Got, type Speaker } from "./speaker.ts";

const NAMES = ["a", "b", "c", "a.dead"] as const;
/** What `exp` has expired goes to `old`. */
const EXPIRING = "exp";
const RULES = ["--queue", "a:deliveries=2", "--queue", "exp:expiry=old"];
const CLIENTS = 5;
const RECENT = 10;
/** Longer than any test, in milliseconds, and in seconds. */
const LONG = 3_600_000;
const LONG_S = LONG / 1000;
/** Every body has as many bytes. */
const SIZE = 8;

interface Client {
  id: number;
  speaker: Speaker;
}

interface Trial {
  random: Random;
  server: Server;
  model: Model;
  clients: Client[];
  /** Asks for counters. */
  control: Awaited<ReturnType<Server["connect"]>>;
  lastId: number;
  lastClient: number;
  /** Numbers of leases that were told; most of them are over. */
  told: { queue: string; number: number }[];
  expired: number[];
  /** What was asked, in order. */
  log: string[];
}

type Step = (trial: Trial, client: Client, queue: string) => Promise<void>;

const STEPS: readonly (readonly [number, Step])[] = [
  [40, setOne],
  [6, setBriefly],
  [4, setExpired],
  [8, setAndClose],
  [6, take],
  [4, peek],
  [10, open],
  [4, openEarly],
  [16, lease],
  [3, leaseBriefly],
  [6, close],
  [12, abortOpen],
  [4, buryOpen],
  [9, acknowledge],
  [14, touch],
  [4, moveOne],
  [3, moveOpen],
  [2, moveAll],
  [3, pause],
  [1, flush],
  [1, drop],
  [3, leave],
];

/** They end what is open, and mostly there is something. */
const ENDING: ReadonlySet<Step> = new Set([setAndClose, close, abortOpen, buryOpen, moveOpen]);

/** @returns how many commands were asked */
export async function runDeliveries(seed: number, steps: number): Promise<number> {
  const trial = await newTrial(newRandom(seed));
  const { random } = trial;
  const weights = STEPS.flatMap(([weight, step]) => Array<Step>(weight).fill(step));
  try {
    for (let n = 1; n <= steps; n++) {
      const step = random.pick(weights);
      const client = ENDING.has(step) ? holderIn(trial) : random.pick(trial.clients);
      await step(trial, client, random.pick(NAMES));
      if (n % 20 === 0) await compare(trial);
      if (n % 150 === 0) await end(trial, random.pick(["SIGKILL", "SIGKILL", "SIGTERM"] as const));
    }
    await finish(trial);
  } catch (error) {
    const last = trial.log.slice(-30).join("\n");
    throw new Error(`${(error as Error).message}\nbehind\n${last}`, { cause: error });
  }
  await trial.server.stop();
  return trial.log.length;
}

async function newTrial(random: Random): Promise<Trial> {
  const server = await start(RULES);
  const trial: Trial = {
    random,
    server,
    model: newModel({ a: 2 }),
    clients: [],
    control: await server.connect(),
    lastId: 0,
    lastClient: 0,
    told: [],
    expired: [],
    log: [],
  };
  await connectAll(trial);
  return trial;
}

async function connectAll(trial: Trial): Promise<void> {
  trial.clients = [];
  for (let n = 0; n < CLIENTS; n++) trial.clients.push(await newClient(trial, n));
}

async function newClient(trial: Trial, n: number): Promise<Client> {
  const dialect = dialects[n % dialects.length] as (typeof dialects)[number];
  return { id: ++trial.lastClient, speaker: await connectSpeaker(trial.server, dialect) };
}

function holderIn(trial: Trial): Client {
  const { random, clients } = trial;
  const holders = clients.filter((client) => openQueueOf(trial, client) !== undefined);
  return random.pick(holders.length === 0 || random.below(8) === 0 ? clients : holders);
}

function bodyOf(id: number): string {
  return `${id}`.padStart(SIZE, "0");
}

function ask(trial: Trial, { id, speaker }: Client, key: string): Promise<Got | undefined> {
  trial.log.push(`client ${id}: get ${key}`);
  return speaker.get(key);
}

function expectGot(got: Got | undefined, message: Message | undefined, number?: number): void {
  expect(got).toEqual(
    message && {
      id: message.id,
      body: bodyOf(message.id),
      number: number ?? message.number,
    },
  );
}

async function set(
  trial: Trial,
  client: Client,
  queue: string,
  options: { token?: string; isDelayed?: boolean; source?: Source },
): Promise<void> {
  const { token, isDelayed = false, source } = options;
  const id = ++trial.lastId;
  const words = [
    ...(token === undefined ? [] : [`id=${token}`]),
    ...(isDelayed ? [`delay=${LONG}`] : []),
    ...(source === undefined ? [] : [sourceWord(source)]),
  ];
  const key = [queue, ...words].join("/");
  trial.log.push(`client ${client.id}: set ${key}`);
  const isStored = put(trial.model, queue, id, { ...options, client: client.id });
  expect(await client.speaker.set(key, id, bodyOf(id))).toBe(isStored ? "stored" : "refused");
}

function sourceWord({ queue, told }: Source): string {
  return told === undefined ? `close=${queue}` : `done=${queue}:${told}`;
}

async function setOne(trial: Trial, client: Client, queue: string): Promise<void> {
  const { random } = trial;
  const token = random.below(3) === 0 ? `${random.below(40)}` : undefined;
  await set(trial, client, queue, {
    ...(token === undefined ? {} : { token }),
    isDelayed: random.below(6) === 0,
  });
}

/** Its delay is over before the next command. */
async function setBriefly(trial: Trial, { speaker }: Client, queue: string): Promise<void> {
  const id = ++trial.lastId;
  trial.log.push(`set ${queue}/delay`);
  put(trial.model, queue, id, { client: 0 });
  const delay = trial.random.between(1, 30);
  expect(await speaker.set(`${queue}/delay=${delay}`, id, bodyOf(id))).toBe("stored");
  await settled(trial, queue);
}

/** It is gone to the queue of expired ones, sooner or later. */
async function setExpired(trial: Trial): Promise<void> {
  const id = ++trial.lastId;
  trial.expired.push(id);
  trial.control.send(`set ${EXPIRING} ${id} -1 ${SIZE}\r\n${bodyOf(id)}\r\n`);
  expect(await trial.control.line()).toBe("STORED");
  expect(await trial.control.take(EXPIRING)).toBeUndefined();
}

async function setAndClose(trial: Trial, client: Client, queue: string): Promise<void> {
  const { random } = trial;
  const known = someLease(trial);
  const source: Source =
    known === undefined || random.below(2) === 0
      ? { queue: openQueueOf(trial, client) ?? random.pick(NAMES) }
      : { queue: known.queue, told: known.number };
  const token = random.below(3) === 0 ? `${random.below(40)}` : undefined;
  await set(trial, client, queue, { ...(token === undefined ? {} : { token }), source });
}

async function take(trial: Trial, client: Client, queue: string): Promise<void> {
  const { model, random } = trial;
  const other = random.pick(NAMES);
  const names = random.below(3) === 0 && other !== queue ? [queue, other] : [queue];
  const found = oldest(model, names);
  const wait = random.below(4) === 0 ? "/t=3" : "";
  expectGot(await ask(trial, client, names.join("/or=") + wait), found?.message);
  if (found !== undefined) remove(found.queue, found.message);
}

async function peek(trial: Trial, client: Client, queue: string): Promise<void> {
  const found = oldest(trial.model, [queue], true);
  expectGot(await ask(trial, client, `${queue}/peek`), found?.message);
}

function openOf({ model }: Trial, { id }: Client, name: string): Message | undefined {
  return model.queues.get(name)?.open.get(id);
}

/** A queue of which the client has a message open. */
function openQueueOf(trial: Trial, client: Client): string | undefined {
  return NAMES.find((name) => openOf(trial, client, name) !== undefined);
}

async function open(trial: Trial, client: Client, queue: string): Promise<void> {
  await openWith(trial, client, queue, false);
}

async function openEarly(trial: Trial, client: Client, queue: string): Promise<void> {
  await openWith(trial, client, queue, true);
}

/** Closes the one that is open, and opens the next. */
async function openWith(trial: Trial, client: Client, queue: string, isEarly: boolean) {
  const isOpen = openOf(trial, client, queue) !== undefined;
  // A message that is open already is an error.
  if (isOpen && isEarly) return;
  trial.model.queues.get(queue)?.open.delete(client.id);
  const found = oldest(trial.model, [queue], false, isEarly);
  const options = `${isOpen ? "/close" : ""}/open${isEarly ? "/early" : ""}`;
  expectGot(await ask(trial, client, queue + options), found?.message);
  if (found === undefined) return;
  remove(found.queue, found.message);
  found.queue.open.set(client.id, found.message);
}

async function lease(trial: Trial, client: Client, queue: string): Promise<void> {
  await leaseFor(trial, client, queue, LONG);
}

/** It ends before the next command. */
async function leaseBriefly(trial: Trial, client: Client, queue: string): Promise<void> {
  const found = await leaseFor(trial, client, queue, 20);
  if (found === undefined) return;
  const told = toldNumber(found.message);
  found.queue.leased.delete(told);
  giveBack(trial.model, queue, found.message);
  await settled(trial, queue);
  expect(await client.speaker.acknowledge(queue, told)).toBe(false);
}

async function leaseFor(
  trial: Trial,
  client: Client,
  queue: string,
  milliseconds: number,
): Promise<{ queue: Queue; message: Message } | undefined> {
  const found = oldest(trial.model, [queue]);
  const got = await ask(trial, client, `${queue}/lease=${milliseconds}`);
  const number = found && toldNumber(found.message);
  expectGot(got, found?.message, number);
  if (found === undefined || number === undefined) return undefined;
  remove(found.queue, found.message);
  found.queue.leased.set(number, found.message);
  trial.told.push({ queue, number });
  return found;
}

async function close(trial: Trial, client: Client, name: string): Promise<void> {
  const queue = openQueueOf(trial, client) ?? name;
  expectGot(await ask(trial, client, `${queue}/close`), undefined);
  trial.model.queues.get(queue)?.open.delete(client.id);
}

async function abortOpen(trial: Trial, client: Client, name: string): Promise<void> {
  const queue = openQueueOf(trial, client) ?? name;
  const message = openOf(trial, client, queue);
  const isDelayed = trial.random.below(4) === 0;
  await ask(trial, client, `${queue}/abort${isDelayed ? `/delay=${LONG}` : ""}`);
  trial.model.queues.get(queue)?.open.delete(client.id);
  if (message === undefined) return;
  if (isDelayed) giveBack(trial.model, queue, message, true);
  else abort(trial.model, queue, message);
}

async function buryOpen(trial: Trial, client: Client, name: string): Promise<void> {
  const queue = openQueueOf(trial, client) ?? name;
  const message = openOf(trial, client, queue);
  await ask(trial, client, `${queue}/dead`);
  trial.model.queues.get(queue)?.open.delete(client.id);
  if (message !== undefined) bury(trial.model, queue, { ...message, isDelayed: false });
}

/** Those that were told last may not be over yet. */
function someLease({ random, told }: Trial): Trial["told"][number] | undefined {
  return random.pick(random.below(4) === 0 ? told : told.slice(-RECENT));
}

async function acknowledge(trial: Trial, { id, speaker }: Client): Promise<void> {
  const known = someLease(trial);
  if (known === undefined) return;
  const { queue, number } = known;
  trial.log.push(`client ${id}: delete ${queue}/${number}`);
  const isLeased = trial.model.queues.get(queue)?.leased.delete(number) ?? false;
  expect(await speaker.acknowledge(queue, number)).toBe(isLeased);
}

async function touch(trial: Trial, { id, speaker }: Client): Promise<void> {
  const known = someLease(trial);
  if (known === undefined) return;
  const { queue, number } = known;
  const seconds = trial.random.pick([-1, 0, 0, LONG_S]);
  trial.log.push(`client ${id}: touch ${queue}/${number} ${seconds}`);
  const leased = trial.model.queues.get(queue)?.leased;
  const message = leased?.get(number);
  expect(await speaker.touch(queue, number, seconds)).toBe(message !== undefined);
  if (message === undefined || seconds > 0) return;
  leased?.delete(number);
  if (seconds < 0) bury(trial.model, queue, message);
  else giveBack(trial.model, queue, message);
}

async function moveOne(trial: Trial, client: Client, queue: string): Promise<void> {
  const to = trial.random.pick(NAMES);
  const found = oldest(trial.model, [queue]);
  expectGot(await ask(trial, client, `${queue}/to=${to}`), found?.message);
  if (found === undefined) return;
  remove(found.queue, found.message);
  move(trial.model, found.message, to);
}

async function moveOpen(trial: Trial, client: Client, name: string): Promise<void> {
  const queue = openQueueOf(trial, client) ?? name;
  const to = trial.random.pick(NAMES);
  const message = openOf(trial, client, queue);
  await ask(trial, client, `${queue}/close/to=${to}`);
  trial.model.queues.get(queue)?.open.delete(client.id);
  if (message !== undefined) move(trial.model, message, to);
}

async function moveAll(trial: Trial, client: Client, queue: string): Promise<void> {
  const to = trial.random.pick(NAMES.filter((name) => name !== queue));
  await ask(trial, client, `${queue}/all/to=${to}`);
  for (
    let found = oldest(trial.model, [queue]);
    found !== undefined;
    found = oldest(trial.model, [queue])
  ) {
    remove(found.queue, found.message);
    move(trial.model, found.message, to);
  }
}

/** A queue that is paused is mostly resumed. */
async function pause(trial: Trial, client: Client, name: string): Promise<void> {
  const paused = NAMES.find((each) => trial.model.queues.get(each)?.isPaused === true);
  const queue = trial.model.queues.get(paused ?? name);
  await ask(trial, client, paused === undefined ? `${name}/pause=0` : `${paused}/resume`);
  if (queue !== undefined) queue.isPaused = paused === undefined;
}

async function flush(trial: Trial, _: Client, name: string): Promise<void> {
  trial.log.push(`flush ${name}`);
  expect(await trial.control.ask(`flush ${name}`)).toBe("END");
  const queue = trial.model.queues.get(name);
  if (queue !== undefined) queue.there = [];
}

async function drop(trial: Trial, _: Client, name: string): Promise<void> {
  trial.log.push(`delete ${name}`);
  const isThere = trial.model.queues.delete(name);
  expect(await trial.control.ask(`delete ${name}`)).toBe(isThere ? "DELETED" : "NOT_FOUND");
}

/** Another client comes in its place. */
async function leave(trial: Trial, client: Client): Promise<void> {
  const at = trial.clients.indexOf(client);
  trial.log.push(`client ${client.id} leaves`);
  await client.speaker.end();
  release(trial.model, client.id);
  trial.clients[at] = await newClient(trial, at);
  await eventually("the end of the connection", async () => {
    const text = await askStats(trial, "stats");
    return text.includes(`STAT curr_connections ${CLIENTS + 1}\r\n`) ? true : undefined;
  });
  await compare(trial);
}

async function end(trial: Trial, signal: "SIGKILL" | "SIGTERM"): Promise<void> {
  trial.log.push(signal);
  const { home } = trial.server;
  await trial.server.stop(signal);
  restart(trial.model);
  trial.server = await start(RULES, { home });
  trial.control = await trial.server.connect();
  await connectAll(trial);
  await compare(trial);
}

async function askStats({ control }: Trial, command: string): Promise<string> {
  control.send(`${command}\r\n`);
  return control.until("END\r\n");
}

async function details(trial: Trial, queue: string): Promise<Record<string, number>> {
  const text = await askStats(trial, `stats queue ${queue}`);
  const rows = [...text.matchAll(/STAT (\S+) (\S+)\r\n/g)];
  return Object.fromEntries(rows.map(([, name, value]) => [name, Number(value)]));
}

/** What happens by the clock has happened. */
async function settled(trial: Trial, name: string): Promise<void> {
  await eventually(`${name} as it must be`, async () => {
    const queue = trial.model.queues.get(name);
    const { delayed, leased } = await details(trial, name);
    const wanted = queue && detailsOf(queue, SIZE);
    return delayed === wanted?.delayed && leased === wanted?.leased ? true : undefined;
  });
}

async function compare(trial: Trial): Promise<void> {
  for (const name of new Set([...NAMES, ...trial.model.queues.keys()])) {
    const queue = trial.model.queues.get(name);
    const told = await details(trial, name);
    if (queue === undefined) expect({ name, ...told }).toEqual({ name });
    else expect({ name, ...told }).toMatchObject({ name, ...detailsOf(queue, SIZE) });
  }
}

/** All messages that are neither leased nor delayed come out in their order. */
async function finish(trial: Trial): Promise<void> {
  await end(trial, "SIGKILL");
  await compareMessages(trial);
  const old: number[] = [];
  for (;;) {
    const body = await trial.control.take("old");
    if (body === undefined) break;
    old.push(Number(body));
  }
  expect(old).toEqual(trial.expired);
}

async function compareMessages(trial: Trial): Promise<void> {
  for (const [name, queue] of trial.model.queues) {
    await trial.control.ask(`resume ${name}`);
    for (const { id } of queue.there.filter(({ isDelayed }) => !isDelayed)) {
      expect({ name, body: await trial.control.take(name) }).toEqual({ name, body: bodyOf(id) });
    }
    expect({ name, body: await trial.control.take(name) }).toEqual({ name, body: undefined });
  }
}
