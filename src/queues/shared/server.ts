import { statement } from "./find.ts";
import { AwayError } from "./grace.ts";
import { forgetWaits } from "./notify.ts";
import type { Shared } from "./state.ts";

/** This server becomes one of those that share the queues. */
export async function join(shared: Shared, deadline: number): Promise<void> {
  const { version } = shared.options;
  const [found] = await statement<{ id: number }>(
    shared,
    "select memcacheq.join($1, $2) as id",
    [version, digestOf(shared)],
    deadline,
  );
  shared.server = found?.id ?? 0;
  shared.turns = 0;
}

/**
 * Others have given this server up, and what its clients had open is back: it begins anew. @param no of the turn that found
 * it out
 * @throws AwayError when that turn had been executed before
 */
export async function rejoin(shared: Shared, no: number, deadline: number): Promise<void> {
  const { warn } = shared.options;
  warn("the other servers gave this one up: the messages that its clients had open went back");
  const before = shared.server;
  for (const { open } of shared.consumers) open.clear();
  shared.leftovers.length = 0;
  shared.unresolved = undefined;
  await join(shared, deadline);
  forgetWaits(shared);
  const found = await statement(
    shared,
    "select 1 from memcacheq.turn where server = $1 and no = $2",
    [before, no],
    deadline,
  );
  if (found.length > 0) throw new AwayError("the other servers gave this one up", true);
}

/** Servers whose settings differ are told so. */
export function digestOf({ options }: Shared): string {
  const text = JSON.stringify([
    options.rules,
    options.limits,
    options.fanout,
    options.readsExptime,
  ]);
  return Bun.hash.xxHash64(text).toString(16);
}
