/** Makes a plan from a seed: what kind of run it is, who the clients are, and what they do. */
import { newRandom, type Random } from "../protocol/random.ts";
import type { Ask } from "./ask.ts";
import type { Config, Fault, Habits, Plan, Step } from "./plan.ts";
import { WRONG } from "./wrong.ts";

type Kind = Ask["kind"] | "open" | "abort" | "wait" | "peek" | "many";

/** What a client mostly does: of a hundred requests, how many of each kind. */
const SHARES: readonly Partial<Record<Kind, number>>[] = [
  { set: 50, get: 50 },
  { set: 100 },
  { get: 70, wait: 30 },
  { set: 30, open: 70 },
  { set: 20, open: 40, abort: 40 },
  { set: 10, wait: 90 },
  { set: 30, peek: 70 },
  { set: 50, get: 30, flush: 14, flush_all: 6 },
  { set: 50, get: 20, delete: 30 },
  { set: 40, details: 30, list: 20, stats: 10 },
  { set: 40, many: 60 },
  // A little of everything.
  {
    set: 30,
    get: 12,
    open: 10,
    abort: 4,
    wait: 6,
    peek: 4,
    many: 6,
    delete: 3,
    flush: 3,
    flush_all: 1,
    pause: 2,
    resume: 3,
    stats: 2,
    details: 4,
    list: 2,
    reset: 1,
    version: 2,
    verbosity: 1,
    noop: 2,
    checkpoint: 1,
    archive: 1,
    wrong: 5,
  },
];

/** Each kind as often as its share says: one is picked. */
type Taste = readonly Kind[];

const TASTES: readonly Taste[] = SHARES.map((shares) =>
  Object.entries(shares).flatMap(([kind, share]) => new Array<Kind>(share).fill(kind as Kind)),
);

interface Making {
  random: Random;
  config: Config;
  queues: string[];
  /** So many requests were made: each has a number of its own. */
  made: number;
  /** Largest bodies that are usual here. */
  usual: number;
  tastes: Map<number, Taste>;
  habits: Map<number, Habits>;
  faults: Fault[];
  loses: boolean;
  delays: boolean;
  isCrowd: boolean;
  nextClient: number;
}

/** @param store undefined: the seed says it */
export function newPlan(seed: number, store?: Config["store"]): Plan {
  const random = newRandom(seed);
  const usual = newConfig(random, store ?? (seed % 10 === 0 ? "sqlite" : "memory"));
  const isCrowd = random.below(12) === 0;
  const config = isCrowd ? { ...usual, ...CROWD } : usual;
  const making = newMaking(random, config, isCrowd);
  const steps: Step[] = [];
  const population = isCrowd ? 6 : random.pick([1, 2, 3, 5, 5, 8, 8, 20, 60]);
  const rounds = isCrowd ? 3 : random.pick([4, 8, 15, 15, 30, 80]);
  for (let n = 0; n < population; n++) steps.push(newClient(making));
  for (let n = 0; n < rounds; n++) addRound(making, steps, population);
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

function newMaking(random: Random, config: Config, isCrowd: boolean): Making {
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
    // A flush whose read fails has dropped some messages; a delayed one that was taken by a group in doubt is not known here.
    faults: faults.filter((fault) =>
      fault === "read" || fault === "sync kept"
        ? !isVague && !delays
        : !isVague || fault === "commit",
    ),
    loses,
    delays,
    nextClient: 0,
  };
}

function newClient({ random, tastes, habits, nextClient, ...rest }: Making): Step {
  const client = nextClient;
  const habit: Habits = {
    binary: random.below(3) === 0,
    reads: random.pick(["all", "all", "all", "all", "slowly", "never"] as const),
    window: random.pick([100, 5000, 200_000, 200_000]),
  };
  void rest;
  tastes.set(client, random.pick(TASTES));
  habits.set(client, habit);
  return { do: "connect", client, habits: habit };
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

function newSend(making: Making, client: number): Step {
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

function newAsk(making: Making, taste: Taste, isBinary: boolean): Ask {
  const { random } = making;
  const kind = random.pick(taste);
  const isMeta = !isBinary && random.below(4) === 0;
  const dialect = isBinary ? "binary" : isMeta ? "meta" : "text";
  const fill = ++making.made;
  const quiet = random.below(8) === 0;
  const queue = random.pick(making.queues);
  switch (kind) {
    case "set":
      return {
        kind,
        dialect,
        quiet,
        queue,
        size: newSize(making),
        fill,
        flags: random.pick([0, 1, 2 ** 32 - 1]),
        ...(making.delays && random.below(3) === 0 ? { delay: random.pick(DELAYS_MS) } : {}),
        isLoud: dialect === "text" && random.below(20) === 0,
        tokens: isMeta ? tokens(random, "csk") : [],
      };
    case "get":
    case "open":
    case "abort":
    case "wait":
    case "peek":
    case "many":
      return newGet(making, kind, dialect, quiet, fill);
    case "wrong":
      return newWrong(making, isBinary);
    case "delete":
      return { kind, dialect, quiet, queue, fill, tokens: isMeta ? tokens(random, "k") : [] };
    case "flush":
      return isBinary ? noop(fill) : { kind, dialect: "text", queue, quiet };
    case "pause":
      if (isBinary) return noop(fill);
      return { kind, dialect: "text", queue, quiet, seconds: newPause(making) };
    case "resume":
      return isBinary ? noop(fill) : { kind, dialect: "text", queue, quiet };
    case "details":
      return { kind, dialect, queue, fill };
    case "noop":
      return { kind, dialect: isBinary ? "binary" : "meta", fill };
    case "flush_all":
    case "verbosity":
      return {
        kind,
        dialect: isBinary ? "binary" : "text",
        quiet: quiet && (kind === "flush_all" || !isBinary),
        fill,
      };
    case "list":
    case "reset":
    case "version":
      return { kind, dialect: isBinary ? "binary" : "text", fill };
    default:
      return isBinary ? noop(fill) : { kind, dialect: "text" };
  }
}

const DELAYS_MS = [1, 50, 1000, 20_000];

/** Seconds. When exactly a pause ends is known only where looks at the clock take no time. */
function newPause({ random, config }: Making): number {
  const { lookMicros, commitMicros, late } = config;
  const isExact = lookMicros === 0 && commitMicros === 0 && late === "no";
  return isExact ? random.pick([0, 1, 10]) : 0;
}

/** Where binary has no such command, its client asks for something else. */
function noop(fill: number): Ask {
  return { kind: "noop", dialect: "binary", fill };
}

function newGet(
  making: Making,
  kind: "get" | "open" | "abort" | "wait" | "peek" | "many",
  dialect: Ask["dialect"],
  quiet: boolean,
  fill: number,
): Ask {
  const { random } = making;
  const isMany = kind === "many" && dialect === "text";
  const count = isMany ? random.pick([2, 2, 3, 3, 10, 40, random.pick([10, 70, 150])]) : 1;
  const isMixed = random.below(2) === 0;
  const keys: string[] = [];
  const each = isMany ? (isMixed ? "any" : "get") : kind;
  for (let n = 0; n < count; n++) keys.push(newKey(making, each));
  const isQuiet = quiet && dialect !== "text";
  const numbered = dialect === "text" && random.below(2) === 0;
  const extra =
    dialect === "meta"
      ? tokens(random, "vfsctk")
      : dialect === "binary" && random.below(3) === 0
        ? ["k"]
        : [];
  return { kind: "get", dialect, quiet: isQuiet, keys, fill, numbered, tokens: extra };
}

/** The options of keys of each kind, from which one is chosen. */
const OPTIONS = {
  get: [""],
  many: [""],
  open: ["/open", "/open", "/close/open", "/close", "/close/t=/open"],
  abort: ["/open", "/abort", "/abort", "/close"],
  wait: ["/t=", "/t=", "/t=/open", "/peek/t="],
  peek: ["/peek"],
  any: ["", "/open", "/close", "/close/open", "/abort", "/peek", "/resume"],
} satisfies Record<string, string[]>;

function newKey({ random, queues }: Making, kind: keyof typeof OPTIONS): string {
  const wait = random.pick([0, 1, 20, 500, 500, 3000, 100_000]);
  return `${random.pick(queues)}${random.pick(OPTIONS[kind]).replace("t=", `t=${wait}`)}`;
}

function newWrong({ random, config, made }: Making, isBinary: boolean): Ask {
  const isTight = config.maxInput > 0 || config.maxOutput > 0;
  const fitting = [...WRONG.keys()].filter((which) => {
    const wrong = WRONG[which];
    if (wrong?.binary !== isBinary) return false;
    return wrong.isFatal !== true || (!isTight && random.below(20) === 0);
  });
  const dialect = isBinary ? "binary" : "text";
  void made;
  return { kind: "wrong", dialect, which: random.pick(fitting) };
}

function newSize({ random, usual, config }: Making): number {
  const size = random.below(200) === 0 ? random.below(config.maxBody + 1) : random.below(usual);
  return Math.min(size, config.maxBody);
}

function tokens(random: Random, letters: string): string[] {
  const chosen: string[] = [];
  for (const letter of letters) if (random.below(2) === 0) chosen.push(letter);
  if (random.below(4) === 0) chosen.push("Oabc");
  return chosen;
}
