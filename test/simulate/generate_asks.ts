/** What clients ask for, at random. */
import type { Random } from "../protocol/random.ts";
import type { Ask } from "./ask.ts";
import { DELIVERY_SHARES, type DeliveryKind, newDeliveryAsk } from "./generate_delivery.ts";
import type { Config, Fault, Habits } from "./plan.ts";
import { WRONG } from "./wrong.ts";

type Kind = Ask["kind"] | "open" | "abort" | "wait" | "peek" | "many" | DeliveryKind;

/** What a client mostly does: of a hundred requests, how many of each kind. */
type Shares = Partial<Record<Kind, number>>;

const SHARES: readonly Shares[] = [
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
export type Taste = readonly Kind[];

export const TASTES = SHARES.map(tasteOf);
export const DELIVERY_TASTES = DELIVERY_SHARES.map(tasteOf);

function tasteOf(shares: Shares): Taste {
  return Object.entries(shares).flatMap(([kind, share]) =>
    new Array<Kind>(share).fill(kind as Kind),
  );
}

export interface Making {
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
  /** Deliveries, in all their forms, are asked for. */
  delivers: boolean;
  isCrowd: boolean;
  nextClient: number;
}

export function newAsk(making: Making, taste: Taste, isBinary: boolean): Ask {
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
    case "lease":
    case "acknowledge":
    case "touch":
    case "bury":
    case "early":
    case "leased":
    case "later":
    case "move":
    case "moveAll":
    case "either":
    case "once":
    case "handover": {
      const { queues } = making;
      const size = newSize(making);
      // Whether it is early is certain only where looks at the clock take next to no time.
      const isVague = kind === "early" && making.config.lookMicros > 10;
      return newDeliveryAsk(isVague ? "later" : kind, {
        random,
        queues,
        dialect,
        quiet,
        queue,
        size,
        fill,
      });
    }
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
