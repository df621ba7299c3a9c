/** Makes a plan from a seed: what kind of run it is, who the clients are, and what they do. */
import { newRandom, type Random } from "../protocol/random.ts";
import type { Ask } from "./ask.ts";
import { DELIVERY_TASTES, type Making, newAsk, type Taste, TASTES } from "./generate_asks.ts";
import { newRules } from "./generate_delivery.ts";
import type { Config, Fault, Habits, Plan, Step } from "./plan.ts";

/**
 * Which plan a seed stands for. What changes plans makes another edition, so that seeds that failed once go on being the
 * same runs.
 */
export type Edition = 1 | 2;

/** @param store undefined: the seed says it */
export function newPlan(seed: number, store?: Config["store"], edition: Edition = 2): Plan {
  const random = newRandom(seed);
  const usual = newConfig(random, store ?? (seed % 10 === 0 ? "sqlite" : "memory"));
  const isCrowd = random.below(12) === 0;
  const config = isCrowd ? { ...usual, ...CROWD } : usual;
  const making = newMaking(random, config, isCrowd, edition);
  if (edition > 1) addDeliveries(making, newRandom(seed + DELIVERY_STREAM));
  const steps: Step[] = [];
  const usualPopulation = isCrowd ? 6 : random.pick([1, 2, 3, 5, 5, 8, 8, 20, 60]);
  const usualRounds = isCrowd ? 3 : random.pick([4, 8, 15, 15, 30, 80]);
  const isMass = edition > 1 && !isCrowd && seed % MASS_EVERY === MASS_EVERY - 1;
  const population = isMass ? MASS : usualPopulation;
  const rounds = isMass ? MASS_ROUNDS : usualRounds;
  for (let n = 0; n < population; n++) {
    steps.push(newClient(making));
    // In the first edition all of them were the same one.
    if (edition > 1) making.nextClient++;
  }
  for (let n = 0; n < rounds; n++) {
    if (isMass) addMassRound(making, steps);
    else addRound(making, steps, population);
  }
  return { seed, config, steps };
}

function newConfig(random: Random, store: Config["store"]): Config {
  const oneIn = (times: number) => random.below(times) === 0;
  const isTight = oneIn(6);
  return {
    store,
    late: oneIn(4) ? random.pick(["works at once", "works late"] as const) : "no",
    lateTurns: random.between(1, 6),
    lateOperations: random.pick([1, 3, 40, 10_000]),
    maxBody: random.pick([100, 70_000, 300_000]),
    cacheLimit: random.pick([0, 20_000, 1024 * 1024]),
    rules: [],
    maxMessages: oneIn(3) ? random.pick([1, 2, 5, 20]) : 0,
    maxBytes: oneIn(4) ? random.pick([50, 1000, 100_000]) : 0,
    maxInput: isTight ? random.pick([0, 300_000]) : 0,
    maxOutput: isTight ? random.pick([0, 100_000]) : 0,
    waitsForDisk: oneIn(3),
    logBuffer: random.pick([1000, 1024 * 1024]),
    lookMicros: random.pick([0, 10, 500, 4000]),
    commitMicros: random.pick([0, 100, 10_000]),
  };
}

/** Clients that send much to a server that is slow, and has no room for it. */
const CROWD: Partial<Config> = {
  maxBody: 70_000,
  maxMessages: 0,
  maxBytes: 0,
  maxInput: 100_000,
  maxOutput: 0,
  commitMicros: 4_000_000,
};

/** So many plans have very many clients, and each of them so many requests at a time. */
const MASS_EVERY = 97;
const MASS = 2000;
const MASS_ROUNDS = 1;
const MASS_ASKS = 1;

/** Of a random number, so that plans without deliveries are those that they would be without it. */
const DELIVERY_STREAM = 1_000_003;

/** Half of the plans are about deliveries, too. */
function addDeliveries(making: Making, random: Random): void {
  const { config, loses, isCrowd } = making;
  if (loses || isCrowd || random.below(2) === 0) return;
  making.delivers = true;
  making.delays = random.below(2) === 0;
  making.queues = making.queues.slice(0, 3);
  // Whether a delivery was counted that ended while reads failed, nobody is told.
  const isSafe = making.faults.includes("read") && random.below(2) === 0;
  config.rules = newRules(random, making.queues, isSafe);
  if (!isSafe) making.faults = making.faults.filter((fault) => fault !== "read");
}

function newMaking(random: Random, config: Config, isCrowd: boolean, edition: Edition): Making {
  const count = random.pick([1, 1, 2, 3, 6, 20]);
  const names = ["q", "r", "s", "queue:a", "\xe9\x01"];
  const queues = Array.from(
    { length: count },
    (_, n) => names[n] ?? `queue ${n}`.replace(" ", "-"),
  );
  const faulty: Fault[][] = [[], [], ["commit"], ["commit", "sync kept", "sync lost", "recover"]];
  const faults = [...random.pick(faulty)];
  if (faults.length > 0) faults.push("checkpoint", "read");
  const loses = config.store === "memory" && config.maxBytes === 0 && random.below(8) === 0;
  const delays = random.below(4) === 0;
  const usual = random.pick([10, 10, 100, 100, 100, 100, 100, 1000, 3000, 30_000]);
  const isVague = loses || config.maxOutput > 0 || config.maxInput > 0;
  return {
    random,
    config,
    queues,
    made: 0,
    usual: isCrowd ? 10_000 : usual,
    isCrowd,
    tastes: new Map(),
    habits: new Map(),
    faults: faults.filter((fault) =>
      fault === "read" || fault === "sync kept"
        ? !isVague && (!delays || edition > 1)
        : !isVague || fault === "commit",
    ),
    loses,
    delays,
    delivers: false,
    nextClient: 0,
  };
}

function newClient({ random, tastes, habits, nextClient, delivers, ...rest }: Making): Step {
  const client = nextClient;
  const habit: Habits = {
    binary: random.below(3) === 0,
    reads: random.pick(["all", "all", "all", "all", "slowly", "never"] as const),
    window: random.pick([100, 5000, 200_000, 200_000]),
  };
  void rest;
  const isPlain = !delivers || random.below(4) === 0;
  tastes.set(client, random.pick(isPlain ? TASTES : DELIVERY_TASTES));
  habits.set(client, habit);
  return { do: "connect", client, habits: habit };
}

/** All clients send a little, at once; and then something happens. */
function addMassRound(making: Making, steps: Step[]): void {
  for (const client of making.habits.keys()) {
    const { asks } = newSend(making, client);
    steps.push({ do: "send", client, asks: asks.slice(0, MASS_ASKS), pieces: [] });
  }
  steps.push({ do: "turn", times: 2 });
  addIncident(making, steps);
}

/** Some clients send, and the loop turns; now and then something happens. */
function addRound(making: Making, steps: Step[], population: number): void {
  const { random, habits } = making;
  const senders = random.pick([1, 3, Math.min(20, population), population]);
  for (let n = 0; n < senders; n++) {
    const client = random.pick([...habits.keys()]);
    steps.push(newSend(making, client));
    if (random.below(4) === 0) steps.push({ do: "turn", times: 1 });
  }
  steps.push({ do: "turn", times: random.pick([1, 1, 2, 8]) });
  if (random.below(3) === 0) addIncident(making, steps);
}

function addIncident(making: Making, steps: Step[]): void {
  const { random, habits, faults, queues, loses } = making;
  const client = random.pick([...habits.keys()]);
  const chance = random.below(100);
  if (chance < 25 && faults.length > 0) {
    steps.push({ do: "fault", what: random.pick(faults), times: random.pick([1, 1, 1, 3]) });
  } else if (chance < 33) {
    steps.push({ do: random.pick(["end", "reset", "vanish", "reset"] as const), client });
    replace(making, steps, client);
  } else if (chance < 40) {
    addDeparture(making, steps, client);
  } else if (chance < 55) {
    steps.push({ do: "pass", ms: random.pick([1, 10, 100, 1000, 7000]) });
  } else if (chance < 65) {
    steps.push({ do: "read", client, bytes: random.pick([1, 100, 10_000, 1_000_000]) });
  } else if (chance < 70) {
    steps.push({ do: "maintain" });
  } else if (chance < 73) {
    steps.push({ do: "jump", ms: random.between(-10_000_000, 10_000_000) });
  } else if (chance < 76) {
    steps.push({ do: "crash" });
    const gone = [...habits.keys()];
    for (const each of gone) replace(making, steps, each);
  } else if (chance < 80 && loses) {
    steps.push({ do: "lose", queue: random.pick(queues), row: random.below(4) });
  } else {
    steps.push({ do: "rest" });
  }
}

/** A client leaves before its answers are sent, and what comes back after that may fail. */
function addDeparture(making: Making, steps: Step[], client: number): void {
  const { random, faults } = making;
  steps.push(newSend(making, client), {
    do: random.pick(["vanish", "vanish", "reset"] as const),
    client,
  });
  steps.push({ do: "turn", times: 1 });
  if (faults.length > 0)
    steps.push({ do: "fault", what: random.pick(faults), times: random.pick([1, 2]) });
  steps.push({ do: "turn", times: random.pick([1, 2]) });
  replace(making, steps, client);
}

function replace(making: Making, steps: Step[], client: number): void {
  making.habits.delete(client);
  making.tastes.delete(client);
  making.nextClient++;
  steps.push(newClient(making));
}

function newSend(making: Making, client: number): Extract<Step, { do: "send" }> {
  const { random, habits, tastes } = making;
  const usual = random.pick([1, 1, 2, 4, 8, 20, random.below(20) === 0 ? 200 : 30]);
  const count = making.isCrowd ? random.pick([usual, 40]) : usual;
  const isBinary = habits.get(client)?.binary === true;
  const taste = tastes.get(client) as Taste;
  const asks: Ask[] = [];
  for (let n = 0; n < count; n++) asks.push(newAsk(making, taste, isBinary));
  if (random.below(300) === 0) asks.push({ kind: "quit", dialect: isBinary ? "binary" : "text" });
  const pieces: number[] = [];
  const cuts = random.pick([0, 0, 0, 1, 3]);
  for (let n = 0; n < cuts; n++) pieces.push(random.pick([1, 7, 40, 500, 20_000]));
  return { do: "send", client, asks, pieces };
}
