/** One load run, in a process of its own: `bun load/main.ts '<a Job as JSON>'` prints a Report. */
import { clearQueue } from "../ask.ts";
import {
  type Job,
  type Measurement,
  type Pattern,
  QUEUE,
  type Report,
  type Spread,
} from "../job.ts";
import { cpuOf, memoryOf } from "../usage.ts";
import type { Encoder } from "./dialect/dialect.ts";
import { dialectOf, dialectsOf } from "./dialect/dialects.ts";
import { type Greedy, openGreedy } from "./greedy.ts";
import { microseconds, percentiles } from "./latency.ts";
import { scriptsOf } from "./script.ts";
import type { Tally } from "./tally.ts";
import { type Limit, openTraffic, type Traffic } from "./traffic.ts";

const WARM_UP_SECONDS = 0.4;
const WARM_UP_OPS = 1_000_000;
// More than any server here answers; bounds the array of latencies.
const OPS_A_SECOND = 4_000_000;
// The warm-up runs cold, so the rate it tells is low; the queue must not run dry.
const FILL_MARGIN = 1.5;
const FILL_BYTES = 512 * 1024 * 1024;
const FILL_BATCH_BYTES = 256 * 1024;
const FILL_DEPTH = 64;

/** What takes messages that must be there. */
const TAKING: ReadonlySet<Pattern> = new Set(["get", "lease", "close"]);

/** The connections, and what each of them speaks. */
type Client = { traffic: Traffic; encoders: readonly [Encoder, ...Encoder[]] };

function bodyOf(size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, i) => 97 + (i % 26)));
}

/** Gets are preceded by sets: as many messages as the run can take. Returns how many. */
async function fill(client: Client, job: Job, rate: number): Promise<number> {
  const { traffic, encoders } = client;
  const [dialect] = encoders;
  const wanted = job.ops ?? Math.ceil(rate * job.seconds * FILL_MARGIN);
  const messages = job.ops ?? Math.min(wanted, Math.max(1, Math.floor(FILL_BYTES / job.size)));
  // More than one confirmation of RabbitMQ may come in one.
  const deepest = job.dialect === "rabbitmq" ? 1 : FILL_DEPTH;
  const depth = Math.min(deepest, Math.ceil(FILL_BATCH_BYTES / dialect.set.length));
  const limit = { ops: messages, seconds: Infinity, pace: null };
  const latencies = new Uint32Array(messages);
  const tally = await traffic.drive(scriptsOf(encoders, "set", depth), limit, latencies);
  refuse(tally, "while filling the queue");
  return messages;
}

/** Lets compilers and caches settle on both sides. Returns the operations per second. */
async function warmUp({ traffic, encoders }: Client, job: Job): Promise<number> {
  const operation = job.operation === "set" ? "set" : "mixed";
  const limit = { ops: job.ops ?? WARM_UP_OPS, seconds: WARM_UP_SECONDS, pace: null };
  const latencies = new Uint32Array(limit.ops);
  const tally = await traffic.drive(scriptsOf(encoders, operation, job.depth), limit, latencies);
  refuse(tally, "while warming up");
  return tally.ops / tally.seconds;
}

/** What is not measured has to go right too. */
function refuse({ firstError }: Tally, when: string): void {
  if (firstError !== null) throw new Error(`${when}: ${firstError}`);
}

/** Leaves both sides warm, and the queue with what the run takes. Returns the most operations that it can be. */
async function prepare(client: Client, job: Job): Promise<number> {
  if (!job.prepare) return Infinity;
  const [dialect] = client.encoders;
  await clearQueue(job.address, dialect);
  const rate = await warmUp(client, job);
  await clearQueue(job.address, dialect);
  return TAKING.has(job.operation) ? await fill(client, job, rate) : Infinity;
}

function limitOf({ ops, pace, seconds }: Job, filled: number): Limit {
  if (pace !== null) return { ops: Math.floor(pace * seconds), seconds: Infinity, pace };
  return {
    ops: Math.min(filled, ops ?? Math.ceil(seconds * OPS_A_SECOND)),
    seconds: ops === null ? seconds : Infinity,
    pace,
  };
}

async function measure(client: Client, job: Job): Promise<Measurement> {
  const { traffic, encoders } = client;
  const limit = limitOf(job, await prepare(client, job));
  const latencies = new Uint32Array(limit.ops);
  const scripts = scriptsOf(encoders, job.operation, job.depth);
  const greedy = job.greedy ? await openGreedy(job.address, beside(job)) : null;
  Bun.gc(true);
  const loadBefore = process.cpuUsage();
  const serverBefore = cpuOf(job.pid);
  const greedyBefore = greedy?.ops() ?? 0;
  const tally = await traffic.drive(scripts, limit, latencies);
  const serverAfter = cpuOf(job.pid);
  const { user, system } = process.cpuUsage(loadBefore);
  const greedyOps = ended(greedy) - greedyBefore;
  return {
    ...summary(tally),
    greedyOps,
    serverCpu: difference(serverAfter, serverBefore),
    serverMemory: memoryOf(job.pid),
    loadCpu: user + system,
  };
}

function beside({ dialect, size }: Job): Encoder {
  return dialectOf(dialect, `${QUEUE}-greedy`, bodyOf(size));
}

function ended(greedy: Greedy | null): number {
  if (greedy === null) return 0;
  greedy.close();
  return greedy.ops();
}

type Summary = Omit<Measurement, "greedyOps" | "serverCpu" | "serverMemory" | "loadCpu">;

function summary(tally: Tally): Summary {
  const { latencies, shares, timeline, ownDelay, ...counts } = tally;
  return {
    ...counts,
    ...percentiles(latencies),
    spread: spreadOf(shares),
    timeline: timeline.map(microseconds),
    ownDelay: ownDelay / 1000,
  };
}

function spreadOf(shares: number[]): Spread {
  const mean = shares.reduce((sum, ops) => sum + ops, 0) / shares.length;
  const variance = shares.reduce((sum, ops) => sum + (ops - mean) ** 2, 0) / shares.length;
  return {
    least: Math.min(...shares) / mean,
    most: Math.max(...shares) / mean,
    deviation: Math.sqrt(variance) / mean,
  };
}

function difference(after: number | null, before: number | null): number | null {
  return after === null || before === null ? null : after - before;
}

async function run(job: Job): Promise<Measurement> {
  const { dialect, address, connections } = job;
  const encoders = dialectsOf(dialect, QUEUE, bodyOf(job.size), connections);
  const traffic = await openTraffic(address, encoders);
  try {
    return await measure({ traffic, encoders }, job);
  } finally {
    traffic.close();
    if (job.prepare) await clearQueue(address, encoders[0]).catch(() => {});
  }
}

async function report(job: Job): Promise<Report> {
  try {
    return { measurement: await run(job) };
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

console.log(JSON.stringify(await report(JSON.parse(process.argv[2] ?? "{}"))));
process.exit();
