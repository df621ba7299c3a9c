/** The part of plans that is about deliveries: leases, dead letters, moves, ids, settings of queues. */
import type { Random } from "../protocol/random.ts";
import type { Ask } from "./ask.ts";
import type { QueueSettings, Rule } from "./rules.ts";

/** What a client asks for here; `handover` is a set that closes another message. */
export type DeliveryKind =
  | "lease"
  | "acknowledge"
  | "touch"
  | "bury"
  | "early"
  | "leased"
  | "later"
  | "move"
  | "moveAll"
  | "either"
  | "once"
  | "handover";

type DeliveryShares = Partial<
  Record<DeliveryKind | "set" | "get" | "open" | "abort" | "wait" | "details" | "delete", number>
>;

export const DELIVERY_SHARES: readonly DeliveryShares[] = [
  { set: 40, lease: 40, acknowledge: 20 },
  { set: 20, lease: 40, acknowledge: 20, touch: 20 },
  { set: 30, open: 30, bury: 10, later: 15, abort: 15 },
  { set: 30, early: 40, later: 10, abort: 20 },
  { set: 30, lease: 40, leased: 30 },
  { set: 45, move: 53, moveAll: 2 },
  { set: 20, open: 20, lease: 20, handover: 40 },
  { set: 30, either: 70 },
  { once: 80, get: 20 },
  {
    set: 25,
    get: 8,
    open: 8,
    abort: 4,
    wait: 6,
    lease: 10,
    acknowledge: 8,
    touch: 6,
    bury: 3,
    later: 3,
    early: 3,
    leased: 2,
    move: 4,
    moveAll: 1,
    either: 6,
    once: 6,
    handover: 6,
    details: 4,
    delete: 1,
  },
];

const LEASES_MS = [1, 100, 3000, 60_000];
const WAITS_MS = [0, 20, 500, 3000];
const IDS = ["a", "b", "c", "d"];

/** @param isSafe no delivery is counted, and no message moves by itself */
export function newRules(random: Random, queues: readonly string[], isSafe: boolean): Rule[] {
  return queues
    .filter(() => random.below(2) === 0)
    .map((pattern) => ({ pattern, given: newSettings(random, pattern, queues, isSafe) }));
}

function newSettings(
  random: Random,
  name: string,
  queues: readonly string[],
  isSafe: boolean,
): Partial<QueueSettings> {
  const oneIn = (times: number) => random.below(times) === 0;
  const given: Partial<QueueSettings> = { onceMs: random.pick([1, 1000, 600_000]) };
  if (oneIn(3)) given.maxMessages = random.pick([1, 3, 10]);
  if (oneIn(4)) given.maxBytes = random.pick([30, 200, 5000]);
  if ((given.maxMessages ?? given.maxBytes) !== undefined && oneIn(2)) given.dropOldest = true;
  const others = queues.filter((other) => other !== name);
  if (others.length > 0 && oneIn(4)) given.copyTo = [random.pick(others)];
  if (isSafe) return given;
  if (oneIn(2)) given.deliveries = random.pick([1, 2, 3]);
  if (oneIn(2)) {
    given.retryMs = random.pick([1, 100, 2000]);
    given.maxRetryMs = random.pick([2000, 10_000]);
  }
  if (oneIn(3)) given.dead = random.pick([...others, "graves"]);
  return given.dead === name ? { ...given, dead: "graves" } : given;
}

export interface Asking {
  random: Random;
  queues: readonly string[];
  dialect: Ask["dialect"];
  quiet: boolean;
  queue: string;
  size: number;
  fill: number;
}

export function newDeliveryAsk(kind: DeliveryKind, asking: Asking): Ask {
  const { random, queues, dialect, queue, size, fill } = asking;
  const isMeta = dialect === "meta";
  const quiet = asking.quiet;
  const tokens = isMeta ? ["k", "Oabc"].filter(() => random.below(3) === 0) : [];
  const other = random.pick(queues);
  const set: Ask = { kind: "set", dialect, quiet, queue, size, fill, flags: 1, tokens };
  switch (kind) {
    case "lease":
      return newLease(asking);
    case "acknowledge":
      return { kind, dialect, quiet, queue, fill, lease: random.below(4), tokens };
    case "touch": {
      const seconds = random.pick([0, 0, -1, 1, 60]);
      const isQuiet = quiet && dialect !== "binary" && !isMeta;
      const lease = random.below(4);
      const name = dialect === "binary" ? "binary" : "text";
      return { kind, dialect: name, quiet: isQuiet, queue, fill, lease, seconds };
    }
    case "bury":
      return newGet(asking, [`${queue}/${random.pick(["open", "dead"])}`]);
    case "early":
      return newGet(asking, [
        `${queue}/${random.pick(["open/early", "close/open/early", "close"])}`,
      ]);
    case "leased":
      return newGet(asking, [`${queue}/peek/leased`]);
    case "later":
      return newGet(asking, [
        `${queue}/${random.pick(["open", `abort/delay=${random.pick([0, 50, 5000])}`])}`,
      ]);
    case "move": {
      const how = random.pick(["", "close/", "open"]);
      if (how === "open") return newGet(asking, [`${queue}/open`]);
      const wait = how === "" && random.below(3) === 0 ? `/t=${random.pick(WAITS_MS)}` : "";
      return newGet(asking, [`${queue}/${how}to=${other}${wait}`]);
    }
    case "moveAll":
      return newGet(asking, [`${queue}/all/to=${other}`]);
    case "either":
      return newEither(asking);
    case "once":
      return { ...set, id: random.pick(IDS) };
    case "handover": {
      const id = random.below(4) === 0 ? { id: random.pick(IDS) } : {};
      if (random.below(2) === 0) return { ...set, ...id, closes: other };
      return { ...set, ...id, closes: other, lease: random.below(3) };
    }
  }
}

function newLease(asking: Asking): Ask {
  const { random, queue } = asking;
  const wait = random.below(4) === 0 ? `/t=${random.pick(WAITS_MS)}` : "";
  if (random.below(3) > 0) {
    const close = random.below(6) === 0 ? "/close" : "";
    return newGet(asking, [`${queue}${close}/lease=${random.pick(LEASES_MS)}${wait}`]);
  }
  return { ...newGet(asking, [`${queue}${wait}`]), leaseSeconds: random.pick([1, 30]) };
}

/** One message of several queues. */
function newEither(asking: Asking): Ask {
  const { random, queues, dialect } = asking;
  const action = random.pick(["", "", "/open", "/close/open", "/lease=1000", "/peek"]);
  const wait = `/t=${random.pick(WAITS_MS)}`;
  const names = random.pick([2, 2, 3]);
  const named = Array.from({ length: names }, () => random.pick(queues));
  const [first = "", ...others] = named;
  if (dialect === "text" && random.below(2) === 0) {
    return newGet(
      asking,
      named.map((name) => `${name}${action}${wait}`),
    );
  }
  const more = others.map((name) => `/or=${name}`).join("");
  return newGet(asking, [`${first}${more}${action}${random.below(3) === 0 ? "" : wait}`]);
}

function newGet({ random, dialect, quiet, fill }: Asking, keys: string[]): Ask {
  const numbered = dialect === "text" && random.below(2) === 0;
  const letters = dialect === "meta" ? ["v", "f", "s", "c", "h", "k"] : [];
  const tokens = letters.filter(() => random.below(2) === 0);
  if (dialect === "binary" && random.below(3) === 0) tokens.push("k");
  return { kind: "get", dialect, quiet: quiet && dialect !== "text", keys, fill, numbered, tokens };
}
