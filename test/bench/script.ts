import type { Dialect, ReadAnswer } from "./dialect/dialect.ts";
import type { Operation } from "./job.ts";

/** The commands that a connection sends at once, and how each of them is answered. */
export type Batch = {
  requests: Buffer;
  /** `ends[n]`: bytes that the first n commands take. */
  ends: number[];
  readers: ReadAnswer[];
};

/** What a connection sends, batch after batch: the two take turns. */
export type Script = { depth: number; batches: readonly [Batch, Batch] };

export function scriptOf(dialect: Dialect, operation: Operation, depth: number): Script {
  return {
    depth,
    batches: [
      batchOf(dialect, kinds(operation, depth, 0)),
      batchOf(dialect, kinds(operation, depth, depth)),
    ],
  };
}

/** `depth` commands; `mixed` alternates, counted from the connection's command number `first`. */
function kinds(operation: Operation, depth: number, first: number): ("set" | "get")[] {
  return Array.from({ length: depth }, (_, i) =>
    operation === "mixed" ? ((first + i) % 2 === 0 ? "set" : "get") : operation,
  );
}

function batchOf(dialect: Dialect, commands: ("set" | "get")[]): Batch {
  const ends = [0];
  for (const command of commands) ends.push((ends.at(-1) ?? 0) + dialect[command].length);
  return {
    requests: Buffer.concat(commands.map((command) => dialect[command])),
    ends,
    readers: commands.map((command) => (command === "set" ? dialect.readSet : dialect.readGet)),
  };
}
