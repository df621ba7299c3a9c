import { DELIVERIES, type Delivery, type Pattern } from "../job.ts";
import type { Encoder, ReadAnswer } from "./dialect/dialect.ts";

/** The commands that a connection sends at once, and how each of them is answered. */
export type Batch = {
  requests: Buffer;
  /** `ends[n]`: bytes that the first n commands take. */
  ends: number[];
  readers: ReadAnswer[];
};

/** What a connection sends, batch after batch, and then from the first one again. */
export type Script = {
  depth: number;
  batches: readonly [Batch, ...Batch[]];
  /** Reads what answers a command that ends an operation; null where none does. */
  readNext: ReadAnswer | null;
  /** Makes the requests of a batch into new ones; null where they stay. */
  renew: ((requests: Buffer) => void) | null;
};

/** The script of each client, by its number. */
export type Scripts = readonly Script[];

type Command = "set" | "get";

const COMMANDS: Record<Exclude<Pattern, Delivery>, readonly Command[]> = {
  set: ["set"],
  get: ["get"],
  mixed: ["set", "get"],
  drain: ["set", "get", "get"],
};

export function scriptsOf(encoders: readonly Encoder[], pattern: Pattern, depth: number): Script[] {
  // Most clients have the same encoder: then they have the same script.
  const known = new Map<Encoder, Script>();
  for (const encoder of encoders) {
    if (!known.has(encoder)) known.set(encoder, scriptOf(encoder, pattern, depth));
  }
  return encoders.map((encoder) => known.get(encoder) as Script);
}

function scriptOf(dialect: Encoder, pattern: Pattern, depth: number): Script {
  if (isDelivery(pattern)) return deliveryScript(dialect, pattern, depth);
  const commands = COMMANDS[pattern];
  const batch = (turn: number): Batch => {
    const those = Array.from({ length: depth }, (_, i) => {
      return commands[(turn * depth + i) % commands.length] ?? "set";
    });
    return batchOf(
      those.map((command) => dialect[command]),
      those.map((command) => (command === "set" ? dialect.readSet : dialect.readGet)),
    );
  };
  const others = commands.slice(1).map((_, i) => batch(i + 1));
  return { depth, batches: [batch(0), ...others], readNext: dialect.readNext, renew: null };
}

export function isDelivery(pattern: Pattern): pattern is Delivery {
  return (DELIVERIES as readonly Pattern[]).includes(pattern);
}

function deliveryScript({ longer }: Encoder, delivery: Delivery, depth: number): Script {
  if (longer === null) throw new Error(`this protocol has no ${delivery}`);
  const { request, read, readNext, renew } = longer[delivery];
  const times = Array.from({ length: depth });
  const batch = batchOf(
    times.map(() => request),
    times.map(() => read),
  );
  return { depth, batches: [batch], readNext, renew };
}

/** Commands, and as many readers. */
export function batchOf(commands: Buffer[], readers: ReadAnswer[]): Batch {
  const ends = [0];
  for (const command of commands) ends.push((ends.at(-1) ?? 0) + command.length);
  return { requests: Buffer.concat(commands), ends, readers };
}
