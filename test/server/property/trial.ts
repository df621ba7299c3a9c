/** Some workers, and a server that lives several times, against the model. */
import { newRandom, type Random } from "../../protocol/random.ts";
import { type Server, start } from "../harness.ts";
import {
  check,
  type Details,
  expectedDetails,
  forget,
  type History,
  isUnclear,
  newHistory,
  settle,
  Violation,
} from "./model.ts";
import {
  endings,
  largestBody,
  longWait,
  type Mood,
  moods,
  newScript,
  newSet,
  queues,
  waitingScript,
} from "./script.ts";
import {
  beginEnd,
  confirmEnd,
  type Ending,
  exchange,
  historyOf,
  newWorker,
  tick,
  type Volley,
  type Waiting,
  type Worker,
  type World,
} from "./worker.ts";

export interface Plan {
  seed: number;
  rounds: number;
  flags: readonly string[];
}

/** What a trial went through: none of these is 0 in one that is worth something. */
export interface Summary {
  messages: number;
  answers: number;
  kills: number;
  stops: number;
  breaks: number;
  waits: number;
  surveys: number;
  /** How often a queue was deeper than what memory held of it. */
  deep: number;
}

interface Trial {
  random: Random;
  /** The rounds to come. */
  deck: Round[];
  flags: readonly string[];
  server: Server;
  world: World;
  workers: Worker[];
  /** Asks for counters, and empties queues. */
  control: Worker;
  /** Who waits, and the quiet moment since when that is certain. */
  established: Map<Waiting, number>;
  failure: unknown;
  summary: Summary;
}

type Round = "alone" | "together" | "waiting" | "breaking" | "SIGKILL" | "SIGTERM";

/** Of twenty rounds. */
const shares: readonly (readonly [Round, number])[] = [
  ["alone", 4],
  ["together", 6],
  ["waiting", 2],
  ["breaking", 4],
  ["SIGKILL", 3],
  ["SIGTERM", 1],
];

const WORKERS = 6;
/** What -m is, in bytes. */
const MEMORY = 1024 * 1024;
/** How long it may take until everything that was sent is over, milliseconds. */
const PATIENCE = 10_000;
/** Nobody is left waiting longer than that: a client gives up some time. */
const LONGEST_WAIT = 5000;
/** A queue is emptied every so many rounds, so that histories stay short. */
const SURVEY_EVERY = 12;

/** @throws Violation when the server did what it must not */
export async function runTrial({ seed, rounds, flags }: Plan): Promise<Summary> {
  const trial = await newTrial(newRandom(seed), ["-m", "1", "-B", `${largestBody}`, ...flags]);
  for (let round = 1; round <= rounds; round++) {
    if (trial.deck.length === 0) trial.deck = newDeck(trial.random);
    await playRound(trial, trial.deck.pop() as Round);
    if (round % SURVEY_EVERY === 0) await survey(trial, trial.random.pick(queues));
  }
  await finish(trial);
  return trial.summary;
}

async function newTrial(random: Random, flags: readonly string[]): Promise<Trial> {
  const server = await start(flags);
  const world: World = {
    histories: new Map(queues.map((queue) => [queue, newHistory(queue)])),
    clock: 0,
    clients: 0,
    lastId: 0,
    onAnswer: () => {},
  };
  return {
    random,
    deck: [],
    flags,
    server,
    world,
    workers: await connectAll(world, server),
    control: await connectOne(world, server),
    established: new Map(),
    failure: undefined,
    summary: {
      messages: 0,
      answers: 0,
      kills: 0,
      stops: 0,
      breaks: 0,
      waits: 0,
      surveys: 0,
      deep: 0,
    },
  };
}

function connectAll(world: World, server: Server): Promise<Worker[]> {
  return Promise.all(Array.from({ length: WORKERS }, () => connectOne(world, server)));
}

/** A connection that the server knows of. */
async function connectOne(world: World, server: Server): Promise<Worker> {
  const client = await server.connect();
  await client.inStep();
  return newWorker(world, client);
}

function newDeck(random: Random): Round[] {
  const deck = shares.flatMap(([round, count]) => Array<Round>(count).fill(round));
  return deck
    .map((round) => ({ round, place: random.below(2 ** 32) }))
    .sort((a, b) => a.place - b.place)
    .map(({ round }) => round);
}

async function playRound(trial: Trial, round: Round): Promise<void> {
  const mood = trial.random.pick(Object.keys(moods) as Mood[]);
  if (round === "alone") await playAlone(trial, mood);
  else if (round === "together") await playTogether(trial, mood);
  else if (round === "waiting") await playWaiting(trial);
  else if (round === "breaking") await playBreaking(trial, mood);
  else await playToTheEnd(trial, mood, round);
  const waiting = trial.workers.flatMap((worker) => worker.waiting ?? []);
  const long = waiting.some(({ since }) => performance.now() - since > LONGEST_WAIT);
  if (long || waiting.length > WORKERS / 2) await feed(trial);
}

function free({ workers }: Trial): Worker[] {
  return workers.filter(({ busy }) => !busy);
}

/** One command of one worker after the other: the order is known exactly. */
async function playAlone(trial: Trial, mood: Mood): Promise<void> {
  const { random } = trial;
  const workers = free(trial);
  for (const command of newScript(random, mood, 40).flat()) {
    await exchange(random.pick(workers), [command]);
  }
  await quiet(trial);
  checkWaiting(trial);
}

async function playTogether(trial: Trial, mood: Mood): Promise<void> {
  await Promise.all(free(trial).map((worker) => play(trial, worker, newOrWaiting(trial, mood))));
  await quiet(trial);
  checkWaiting(trial);
}

/** One after the other begins to wait for the same queue; then messages come, one by one. */
async function playWaiting(trial: Trial): Promise<void> {
  const { random, control, summary } = trial;
  const queue = random.pick(queues);
  await survey(trial, queue);
  const workers = free(trial);
  for (const worker of workers) {
    summary.waits++;
    await play(trial, worker, [[{ keys: [longWait(random, queue)] }]]);
    await quiet(trial);
    checkWaiting(trial);
  }
  for (const _ of workers) {
    await exchange(control, [newSet(random, queue)]);
    await quiet(trial);
    checkWaiting(trial);
  }
}

function newOrWaiting({ random, summary }: Trial, mood: Mood): Volley[] {
  if (random.below(8) > 0) return newScript(random, mood, 8);
  summary.waits++;
  return waitingScript(random, mood);
}

/** Lets the worker begin, and resolves when it is done or waits. When it fails, so does the trial. */
async function play(trial: Trial, worker: Worker, script: Volley[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  worker.onWaiting = resolve;
  worker.busy = true;
  worker.task = perform(worker, script)
    .catch((error: unknown) => void (trial.failure ??= error))
    .finally(() => void (worker.busy = false));
  await Promise.race([worker.task, promise]);
}

async function perform(worker: Worker, script: Volley[]): Promise<void> {
  for (const volley of script) if (!(await exchange(worker, volley))) return;
}

/** Some workers end their connections in the middle, with or without having read all answers. */
async function playBreaking(trial: Trial, mood: Mood): Promise<void> {
  const { random, world, server, workers, summary } = trial;
  const ended: Promise<Ending>[] = [];
  const played: Promise<void>[] = [];
  for (const [at, worker] of workers.entries()) {
    if (random.below(3) === 0) {
      ended.push(worker.busy ? breakWaiting(worker) : breakOff(trial, worker, mood));
      summary.breaks++;
      workers[at] = await connectOne(world, server);
    } else if (!worker.busy) {
      played.push(play(trial, worker, newOrWaiting(trial, mood)));
    }
  }
  await Promise.all(played);
  const all = await Promise.all(ended);
  await until(trial, async () => {
    const open = (await statistics(trial, "stats")).get("curr_connections");
    return open === WORKERS + 1 ? "" : `${open} connections are open, not ${WORKERS + 1}`;
  });
  for (const each of all) confirmEnd(each);
  await quiet(trial);
  await surveyUnclear(trial);
}

async function breakWaiting(worker: Worker): Promise<Ending> {
  const ending = beginEnd(worker);
  worker.client.reset();
  await worker.client.closed;
  return ending;
}

async function breakOff({ random }: Trial, worker: Worker, mood: Mood): Promise<Ending> {
  const script = newScript(random, mood, 8);
  const last = script.pop() as Volley;
  const how = random.pick(endings);
  const most = random.below(last.length + 1);
  for (const volley of script) await exchange(worker, volley);
  let ending: Ending | undefined;
  const end = () => (ending ??= beginEnd(worker));
  if (how === "shutdown") {
    const onSent = () => {
      end();
      worker.client.shutdown();
    };
    await exchange(worker, last, { onSent });
    await worker.client.rest();
  } else if (how === "quit") {
    await exchange(worker, last);
    end();
    worker.client.send("quit\r\n");
    await worker.client.rest();
  } else {
    await exchange(worker, last, { most });
    end();
    await worker.client[how]();
  }
  return end();
}

/** The server is ended in the middle of it all, and started again. */
async function playToTheEnd(
  trial: Trial,
  mood: Mood,
  signal: "SIGKILL" | "SIGTERM",
): Promise<void> {
  const { random, world, server, summary } = trial;
  const all = [...trial.workers, trial.control];
  if (random.below(2) === 0) await playAlone(trial, mood);
  let left = random.between(0, 60);
  const due = Promise.withResolvers<void>();
  world.onAnswer = () => void (--left === 0 && due.resolve());
  if (left === 0) due.resolve();
  const played = free(trial).map((worker) => play(trial, worker, newScript(random, mood, 8)));
  await Promise.race([due.promise, Promise.all(played)]);
  world.onAnswer = () => {};
  const ended = all.map(beginEnd);
  const exit = await server.stop(signal);
  if (signal === "SIGTERM" && exit.code !== 0) throw new Violation(`exit code ${exit.code}`);
  await Promise.all(trial.workers.map(({ task }) => task));
  trial.server = await start(trial.flags, { home: server.home });
  for (const each of ended) confirmEnd(each);
  trial.control = await connectOne(world, trial.server);
  trial.workers = await connectAll(world, trial.server);
  summary[signal === "SIGKILL" ? "kills" : "stops"]++;
  await quiet(trial);
  await surveyUnclear(trial);
}

/** Those who wait get something. */
async function feed(trial: Trial): Promise<void> {
  const { workers, random, control } = trial;
  const waiting = workers.flatMap((worker) => worker.waiting ?? []);
  for (const { key } of waiting) await exchange(control, [newSet(random, key.queue)]);
  await quiet(trial);
  checkWaiting(trial);
}

/** Resolves when everything is over that was sent, and the counters are what they must be. */
async function quiet(trial: Trial): Promise<void> {
  await until(trial, async () => {
    const differences: string[] = [];
    for (const history of trial.world.histories.values()) {
      differences.push(...(await compare(trial, history)));
    }
    differences.push(...(await compareCounters(trial)));
    const busy = trial.workers.filter(({ busy, waiting }) => busy && waiting === undefined);
    for (const { id } of busy) differences.push(`client ${id} has no answer`);
    return differences.join("; ");
  });
}

/** Asks until nothing is wrong any more. */
async function until(trial: Trial, problem: () => Promise<string>): Promise<void> {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const found = await problem();
    if (trial.failure !== undefined) throw trial.failure;
    if (found === "") return;
    if (Date.now() > deadline) throw new Violation(found);
  }
}

async function compare(trial: Trial, history: History): Promise<string[]> {
  const { queue } = history;
  const told = await statistics(trial, `stats queue ${queue}`);
  const { waiters, ...wanted } = expectedDetails(history, waitersOf(trial, queue));
  if (told.size === 0) return wanted.sets === 0 ? [] : [`${queue} is not there`];
  const memory = told.get("memory") ?? Infinity;
  if (memory > MEMORY) return [`${queue}: ${memory} bytes are in memory`];
  if (memory < wanted.bytes) trial.summary.deep++;
  const due: Partial<Details> = isUnclear(history) ? { waiters } : { ...wanted, waiters };
  const free = (told.get("messages") ?? 0) - (told.get("open") ?? 0);
  if (waiters > 0 && free > 0) return [`${queue}: ${waiters} wait, and ${free} messages are there`];
  return Object.entries(due)
    .filter(([row, value]) => told.get(row) !== value)
    .map(([row, value]) => `${queue}: ${row} ${told.get(row)}, expected ${value}`);
}

async function compareCounters(trial: Trial): Promise<string[]> {
  const told = await counters(trial);
  return [...trial.world.histories.values()]
    .filter((history) => !isUnclear(history))
    .map((history) => ({ queue: history.queue, ...expectedDetails(history, 0) }))
    .filter(({ queue, sets, gets }) => sets > 0 && told.get(queue) !== `${sets}/${gets}`)
    .map(({ queue, sets, gets }) => `${queue}: ${told.get(queue)}, expected ${sets}/${gets}`);
}

function waitersOf({ workers }: Trial, queue: string): number {
  return workers.filter(({ waiting }) => waiting?.key.queue === queue).length;
}

async function statistics(trial: Trial, command: string): Promise<Map<string, number>> {
  return new Map([...(await rows(trial, command))].map(([name, value]) => [name, Number(value)]));
}

function counters(trial: Trial): Promise<Map<string, string>> {
  return rows(trial, "stats queue");
}

async function rows({ control }: Trial, command: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  control.client.send(`${command}\r\n`);
  for (;;) {
    const line = await control.client.line();
    if (line === "END") return found;
    const [word, name = "", value = ""] = line.split(" ");
    if (word !== "STAT") throw new Violation(`${command} was answered ${line}`);
    found.set(name, value);
  }
}

/** Who has waited since a quiet moment was not passed over in favour of somebody who came after it. */
function checkWaiting({ established, world, workers }: Trial): void {
  const now = new Set(workers.flatMap(({ waiting }) => waiting ?? []));
  for (const [waiting, since] of established) {
    if (now.has(waiting)) checkTurn(world, waiting, since);
    else established.delete(waiting);
  }
  for (const waiting of now) {
    if (!established.has(waiting)) established.set(waiting, tick(world));
  }
}

function checkTurn(world: World, { key, request }: Waiting, since: number): void {
  for (const { request: later, message, peek } of historyOf(world, key.queue).answers) {
    if (message === undefined || peek || later.sent < since) continue;
    throw new Violation(
      `${key.queue}: client ${request.client} waits, and client ${later.client} came later ` +
        `and got message ${message.id}`,
    );
  }
}

async function surveyUnclear(trial: Trial): Promise<void> {
  for (const history of trial.world.histories.values()) {
    if (isUnclear(history)) await survey(trial, history.queue);
  }
  trial.established.clear();
}

/** Empties the queue, and checks everything that is known of it. */
async function survey(trial: Trial, queue: string): Promise<void> {
  const { control, world, summary } = trial;
  const history = historyOf(world, queue);
  const volley: Volley = Array.from({ length: 16 }, () => ({
    keys: [{ queue, action: "take", options: [] }],
  }));
  do await exchange(control, volley);
  while (history.answers.at(-1)?.message !== undefined);
  const told = await statistics(trial, `stats queue ${queue}`);
  settle(history, told.get("sets") ?? 0, told.get("gets") ?? 0);
  check(history);
  summary.surveys++;
  summary.answers += history.answers.length;
  forget(history);
  await quiet(trial);
}

async function finish(trial: Trial): Promise<void> {
  const { workers, server, control, summary, world } = trial;
  while (workers.some(({ waiting }) => waiting !== undefined)) await feed(trial);
  const ended = workers.map(beginEnd);
  for (const worker of workers) await worker.client.end();
  await until(trial, async () => {
    const open = (await statistics(trial, "stats")).get("curr_connections");
    return open === 1 ? "" : `${open} connections are open, not 1`;
  });
  for (const each of ended) confirmEnd(each);
  for (const queue of queues) await survey(trial, queue);
  summary.messages = world.lastId;
  await control.client.end();
  await server.stop();
}
