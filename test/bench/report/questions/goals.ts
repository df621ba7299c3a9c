import { type Contender, fresh, ours, type Product } from "../../contender.ts";
import { count, markdown, ratio, shortBytes } from "../../format.ts";
import { BASE, type Measurement, type Operation } from "../../job.ts";
import { cpuOf, rate } from "../../measurement.ts";
import type { Mode } from "../../options.ts";
import type { Goal, Section } from "../section.ts";
import { alternate, median, medianRate, quotient, type Setting } from "../setting.ts";

/** One load, and what ours must do of the peer's: of its rate at least, of its CPU time an operation at most. */
type Place = {
  connections: number;
  depth: number;
  size: number;
  operation: Operation;
  least: number;
  mostCpu?: number;
};

/** Both at one place. */
type Pair = Place & { own: Measurement[]; peer: Measurement[] };

/** Bytes of the largest body without `-B`. */
const DEFAULT_MAX_BODY = 1024;

/** Latencies, of the peer's at most. */
const MOST_P99 = 1.1;
const MOST_P999 = 1.5;

const DURABLE: Place[] = [
  { ...place(1, 1, 100, "set", 1.05), mostCpu: 1.3 },
  { ...place(1, 1, 100, "get", 1.05), mostCpu: 1.3 },
  place(50, 1, 100, "set", 1.3),
  place(50, 1, 100, "get", 1.3),
  place(50, 1, 100, "mixed", 1.3),
  place(200, 1, 100, "set", 1.2),
  place(200, 1, 100, "get", 1.2),
  place(50, 16, 100, "set", 1.3),
  place(50, 16, 100, "get", 1.5),
  place(20, 1, 1024, "set", 1.2),
  place(20, 1, 1024, "get", 1.2),
  place(20, 1, 16_384, "set", 0.85),
  place(20, 1, 16_384, "get", 0.85),
  place(10, 1, 1_048_576, "set", 0.95),
  place(10, 1, 1_048_576, "get", 0.95),
];

const UNSYNCED: Place[] = [place(50, 1, 100, "set", 0.8), place(50, 1, 100, "get", 0.85)];

/** One publisher confirm, or one answer, at a time. */
const OTHERS: Place[] = [place(50, 1, 100, "set", 1), place(50, 1, 100, "get", 1)];

function place(
  connections: number,
  depth: number,
  size: number,
  operation: Operation,
  least: number,
): Place {
  return { connections, depth, size, operation, least };
}

/** The rates, tails and CPU time that are compared with those of other servers. */
export async function goals(setting: Setting): Promise<Section> {
  const { redisAlways, memcached, rabbitmq, nats } = setting.peers;
  const durable = await compare(setting, "durable", redisAlways, DURABLE);
  const unsynced = await compare(setting, "nosync", memcached, UNSYNCED);
  const besideRabbit = await compare(setting, "durable", rabbitmq, OTHERS);
  const besideNats = await compare(setting, "nosync", nats, OTHERS);
  const redisName = redisAlways?.name ?? "Redis, AOF always";
  return {
    title: "Side by side",
    text: [
      `Medians of ${setting.amounts.rounds} rounds. A round is one run of each, and every second one begins with the ` +
        "peer. Latencies and CPU time (of the server, an operation) are ours by the peer's. Ours has a `-B` of the messages' size.",
      table("durable", redisName, durable),
      table("`-N`", memcached?.name ?? "memcached", unsynced),
      "RabbitMQ has a durable queue, persistent messages and one publisher confirm at a time on each connection; its " +
        "get acknowledges at once. NATS JetStream has a stream in files, and answers before a sync, so it stands beside `-N`; " +
        "its get is a request and an acknowledgement, two trips.",
      table("durable", rabbitmq?.name ?? "RabbitMQ", besideRabbit),
      table("`-N`", nats?.name ?? "NATS JetStream", besideNats),
    ],
    charts: [],
    goals: [
      ...durable.flatMap((pair) => goalsOf("durable", "Redis, AOF always", pair)),
      ...unsynced.map((pair) => rateGoal("`-N`", "memcached", pair)),
    ],
  };
}

async function compare(
  setting: Setting,
  mode: Mode,
  peer: Product | null,
  places: Place[],
): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (const where of places) {
    const { connections, depth, size, operation } = where;
    // As an operator would start it for such messages: the size of a page follows from -B.
    const product = ours(mode, ["-B", `${Math.max(DEFAULT_MAX_BODY, size)}`]);
    const contenders: Contender[] = [fresh(product), ...(peer === null ? [] : [fresh(peer)])];
    const { seconds } = setting.amounts;
    const task = { ...BASE, connections, depth, size, operation, seconds };
    const [own = [], others = []] = await alternate(setting, contenders, task);
    pairs.push({ ...where, own, peer: others });
  }
  return pairs;
}

function table(mode: string, peer: string, pairs: Pair[]): string {
  return markdown(
    [
      ...["clients", "deep", "bytes", "", `ours, ${mode}`, peer, "ours / peer", "in single rounds"],
      ...["p99", "p99.9", "CPU"],
    ],
    pairs.map((pair) => [
      String(pair.connections),
      String(pair.depth),
      shortBytes(pair.size),
      pair.operation,
      count(medianRate(pair.own)),
      count(medianRate(pair.peer)),
      ratio(rates(pair)),
      roundsOf(pair),
      ...[p99Of, p999Of, cpuOf].map((figure) => ratio(compared(pair, figure))),
    ]),
    4,
  );
}

const p99Of = ({ p99 }: Measurement): number => p99;
const p999Of = ({ p999 }: Measurement): number => p999;

function rates({ own, peer }: Pair): number | null {
  return quotient(medianRate(own), medianRate(peer));
}

function compared({ own, peer }: Pair, figure: (one: Measurement) => number): number | null {
  return quotient(median(own.map(figure)), median(peer.map(figure)));
}

/** The least and the most of the rates' ratios. */
function roundsOf({ own, peer }: Pair): string {
  const ratios = own.flatMap((mine, i) => {
    const theirs = peer[i];
    return theirs === undefined ? [] : [rate(mine) / rate(theirs)];
  });
  if (ratios.length === 0) return "";
  return `${ratio(Math.min(...ratios))} to ${ratio(Math.max(...ratios))}`;
}

function goalsOf(mode: string, peer: string, pair: Pair): Goal[] {
  const what = (figure: string): string => `${figure} of ${mode} ${nameOf(pair)} against ${peer}`;
  const most = (figure: string, limit: number, measured: (one: Measurement) => number): Goal => ({
    what: what(figure),
    limit,
    is: "most",
    measured: compared(pair, measured),
    unit: "",
  });
  const { mostCpu } = pair;
  return [
    rateGoal(mode, peer, pair),
    most("p99", MOST_P99, p99Of),
    most("p99.9", MOST_P999, p999Of),
    ...(mostCpu === undefined ? [] : [most("CPU an operation", mostCpu, cpuOf)]),
  ];
}

function rateGoal(mode: string, peer: string, pair: Pair): Goal {
  const what = `${mode} ${nameOf(pair)} against ${peer}`;
  return { what, limit: pair.least, is: "least", measured: rates(pair), unit: "" };
}

function nameOf({ connections, depth, size, operation }: Place): string {
  const clients = connections === 1 ? "1 client" : `${connections} clients`;
  const deep = depth === 1 ? "" : `, ${depth} deep`;
  return `${operation}, ${clients}${deep}, ${shortBytes(size)}B`;
}
