import { type Contender, fresh, ours, type Product } from "../../contender.ts";
import { count, markdown, ratio } from "../../format.ts";
import { BASE, type Operation } from "../../job.ts";
import { rate } from "../../measurement.ts";
import type { Goal, Section } from "../section.ts";
import { alternate, medianRate, quotient, type Setting } from "../setting.ts";

type Place = { connections: number; depth: number; operation: Operation };

/** Rates of ours and the peer's at one place, medians; null when not measured. */
type Pair = Place & {
  own: number | null;
  peer: number | null;
  /** The ratios of the single rounds. */
  rounds: number[];
};

/** What another server that is not to be had did, and the peer's rates beside it. */
const MEMCACHEQ = { set: { own: 13.5, redis: 70 }, get: { own: 10.5, redis: 73 } };
const DARNER = {
  set: { shallow: 181, deep: 222, memcached: 278 },
  get: { shallow: 152, deep: 194, memcached: 285 },
};

const OPERATIONS: Operation[] = ["set", "get", "mixed"];

/** The rates that are compared with those of other servers. */
export async function goals(setting: Setting): Promise<Section> {
  const { redisAlways, memcached } = setting.peers;
  const durable = await compare(setting, ours("durable"), redisAlways, [
    ...places(50, 1, OPERATIONS),
    ...places(50, 16, OPERATIONS),
    ...places(1, 1, OPERATIONS),
  ]);
  const unsynced = await compare(setting, ours("nosync"), memcached, [
    ...places(50, 1, ["set", "get"]),
    ...places(50, 16, ["set", "get"]),
  ]);
  return {
    title: "Side by side",
    text: [
      `Operations a second, medians of ${setting.amounts.rounds}, one run of ours and one of the peer's in turn.`,
      table("durable", redisAlways?.name ?? "Redis, AOF always", durable),
      table("`-N`", memcached?.name ?? "memcached", unsynced),
      "MemcacheQ 0.2.1 and Darner 0.2 were measured once, on another day, beside Redis and memcached: MemcacheQ did " +
        "13.5k sets and 10.5k gets a second where Redis with AOF always did 70k and 73k; Darner did 181k and 152k, " +
        "and 16 deep 222k and 194k, where memcached did 278k and 285k (1 deep). The ratios to them are those of ours " +
        "to Redis or memcached in this run, times these.",
    ],
    charts: [],
    goals: [...againstRedis(durable), ...againstMemcached(unsynced)],
  };
}

function places(connections: number, depth: number, operations: Operation[]): Place[] {
  return operations.map((operation) => ({ connections, depth, operation }));
}

async function compare(
  setting: Setting,
  product: Product,
  peer: Product | null,
  where: Place[],
): Promise<Pair[]> {
  const contenders: Contender[] = [fresh(product), ...(peer === null ? [] : [fresh(peer)])];
  const pairs: Pair[] = [];
  for (const place of where) {
    const task = { ...BASE, ...place, seconds: setting.amounts.seconds };
    const [own = [], others = []] = await alternate(setting, contenders, task);
    const rounds = own.flatMap((mine, i) => {
      const theirs = others[i];
      return theirs === undefined ? [] : [rate(mine) / rate(theirs)];
    });
    pairs.push({ ...place, own: medianRate(own), peer: medianRate(others), rounds });
  }
  return pairs;
}

function table(mode: string, peer: string, pairs: Pair[]): string {
  return markdown(
    ["clients", "deep", "", `ours, ${mode}`, peer, "ours / peer", "in single rounds"],
    pairs.map(({ connections, depth, operation, own, peer: other, rounds }) => [
      String(connections),
      String(depth),
      operation,
      count(own),
      count(other),
      ratio(quotient(own, other)),
      rounds.length === 0 ? "" : `${ratio(Math.min(...rounds))} to ${ratio(Math.max(...rounds))}`,
    ]),
    3,
  );
}

function againstRedis(pairs: Pair[]): Goal[] {
  const goal = (what: string, limit: number, connections: number, depth: number): Goal[] =>
    OPERATIONS.map((operation) => {
      const { own, peer } = pairAt(pairs, { connections, depth, operation });
      return atLeast(`${what} ${operation} against Redis, AOF always`, limit, quotient(own, peer));
    });
  return [
    ...goal("durable", 1.4, 50, 1),
    ...(["set", "get"] as const).map((operation) => {
      const { own, peer } = pairAt(pairs, { connections: 50, depth: 1, operation });
      const { own: theirs, redis } = MEMCACHEQ[operation];
      const measured = times(quotient(own, peer), redis / theirs);
      return atLeast(`durable ${operation} against MemcacheQ 0.2.1`, 8, measured);
    }),
    ...goal("durable, 16 deep,", 1.1, 50, 16),
    ...goal("durable, one connection,", 1.2, 1, 1),
  ];
}

function againstMemcached(pairs: Pair[]): Goal[] {
  const kinds = ["set", "get"] as const;
  const at = (operation: Operation, depth: number): Pair =>
    pairAt(pairs, { connections: 50, depth, operation });
  const limits = { set: { darner: 1.1, deep: 3.5 }, get: { darner: 1.3, deep: 4.5 } };
  // Darner's 16 deep too was set beside memcached 1 deep.
  const darner = (operation: "set" | "get", depth: number, theirs: number): number | null => {
    const measured = quotient(at(operation, depth).own, at(operation, 1).peer);
    return times(measured, DARNER[operation].memcached / theirs);
  };
  return [
    ...kinds.map((operation) => {
      const { own, peer } = at(operation, 1);
      return atLeast(`\`-N\` ${operation} against memcached`, 0.75, quotient(own, peer));
    }),
    ...kinds.map((operation) => {
      const measured = darner(operation, 1, DARNER[operation].shallow);
      return atLeast(`\`-N\` ${operation} against Darner 0.2`, limits[operation].darner, measured);
    }),
    ...kinds.map((operation) => {
      const measured = darner(operation, 16, DARNER[operation].deep);
      const what = `\`-N\`, 16 deep, ${operation} against Darner 0.2`;
      return atLeast(what, limits[operation].deep, measured);
    }),
  ];
}

function pairAt(pairs: Pair[], { connections, depth, operation }: Place): Pair {
  const found = pairs.find(
    (pair) =>
      pair.connections === connections && pair.depth === depth && pair.operation === operation,
  );
  return found ?? { connections, depth, operation, own: null, peer: null, rounds: [] };
}

function atLeast(what: string, limit: number, measured: number | null): Goal {
  return { what, limit, is: "least", measured, unit: "" };
}

const times = (value: number | null, factor: number): number | null =>
  value === null ? null : value * factor;
