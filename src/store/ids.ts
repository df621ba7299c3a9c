import type { IdBatch, StoredIds } from "./batch.ts";
import type { Statements } from "./statements.ts";

export function writeIds({ addIds, forgetIds }: Statements, { added, forgotten }: IdBatch): void {
  for (const { queue, first, arrived, hashes } of added) addIds.run(queue, first, arrived, hashes);
  for (const { queue, first } of forgotten) forgetIds.run(queue, first);
}

/** See {@link Store.eachIds}. */
export function eachIds({ ids }: Statements, visit: (row: StoredIds) => void): void {
  for (const row of ids.iterate()) visit(row);
}
