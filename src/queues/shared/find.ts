import { failureOf } from "./errors.ts";
import { AwayError, connected, dropLink, PlanError } from "./grace.ts";
import { bytesOf, remember } from "./names.ts";
import type { Shared } from "./state.ts";

/** The ids of the queues of these names, as far as they are there. */
export async function findNames(
  shared: Shared,
  names: ReadonlySet<string>,
  deadline: number,
): Promise<Map<string, number>> {
  const { ids } = shared.names;
  const unknown = unknownOf(shared, names);
  if (unknown.length > 0) await ask(shared, unknown, deadline);
  const found = new Map<string, number>();
  for (const name of names) {
    const id = ids.get(name);
    if (id !== undefined) found.set(name, id);
  }
  return found;
}

/** The same; those that are missing are made. */
export async function makeNames(
  shared: Shared,
  names: ReadonlySet<string>,
  deadline: number,
): Promise<Map<string, number>> {
  const unknown = unknownOf(shared, names);
  if (unknown.length > 0) {
    const rows = await statement<{ woken: [number, number][] }>(
      shared,
      "select memcacheq.make($1) as woken",
      [unknown.map(bytesOf)],
      deadline,
    );
    shared.woken.push(...(rows[0]?.woken ?? []));
  }
  return findNames(shared, names, deadline);
}

function unknownOf({ names: { ids } }: Shared, names: ReadonlySet<string>): string[] {
  return [...names].filter((name) => !ids.has(name));
}

async function ask(shared: Shared, names: string[], deadline: number): Promise<void> {
  const rows = await statement<{ ids: (number | null)[] }>(
    shared,
    "select memcacheq.find($1) as ids",
    [names.map(bytesOf)],
    deadline,
  );
  const ids = rows[0]?.ids ?? [];
  for (const [i, name] of names.entries()) {
    const id = ids[i];
    if (id !== null && id !== undefined) remember(shared.names, name, id);
  }
}

/** A statement that may be executed twice, tried again until the deadline. @throws AwayError, PlanError */
export async function statement<T>(
  shared: Shared,
  text: string,
  values: unknown[],
  deadline: number,
): Promise<T[]> {
  for (;;) {
    const link = await connected(shared, deadline);
    try {
      return await link.turns.unsafe<T[]>(text, values);
    } catch (error) {
      const failure = failureOf(error);
      if (failure.kind !== "away" && failure.kind !== "again") throw new PlanError(failure);
      if (shared.options.clock.monotonic() >= deadline) throw new AwayError(failure.reason, false);
      if (failure.kind === "away") await dropLink(shared, link, failure.reason);
    }
  }
}
