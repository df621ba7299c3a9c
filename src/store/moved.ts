import type { Statements } from "./statements.ts";
import type { Moved } from "./store.ts";

/** See {@link Store.moved}. */
export function movedFrom({ moved }: Statements, queue: number, number: number): Moved | undefined {
  const row = moved.get(queue, number);
  return row === null ? undefined : { ...row, origin: Buffer.from(row.origin).toString("latin1") };
}
