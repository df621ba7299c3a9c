import type { ExpiryBatch } from "./batch.ts";
import type { Statements } from "./statements.ts";

export function writeExpiry(
  { addStep, removeSteps }: Statements,
  { steps, needed }: ExpiryBatch,
): void {
  for (const { queue, number, expires } of steps) addStep.run(queue, number, expires);
  for (const { queue, number } of needed) removeSteps.run(queue, number);
}

/** See {@link Store.expires}. */
export function expiresAt({ stepAt }: Statements, queue: number, number: number): number {
  return stepAt.get(queue, number)?.expires ?? 0;
}
