import { makeNames } from "./find.ts";
import { newPlan, pushSingle, useQueue } from "./plan.ts";
import { runPlanned } from "./planned.ts";
import type { Single } from "./single.ts";
import type { Shared } from "./state.ts";
import type { Row } from "./turn.ts";

const NOTHING = Buffer.alloc(0);

/** A turn of these operations; queues that are gone are left out. */
export async function runSingles(
  shared: Shared,
  singles: readonly Single[],
  deadline: number,
): Promise<Row[]> {
  const needed = new Set<string>();
  const { rows } = await runPlanned(shared, deadline, async (failure) => {
    if (failure !== undefined) needed.add(failure);
    const plan = newPlan();
    for (const single of singles) {
      const isThere = single.q !== null && shared.names.names.has(single.q);
      if (isThere)
        pushSingle(
          plan,
          single,
          undefined,
          single["body"] === undefined ? NOTHING : bodyOf(single),
        );
      if (isThere) useQueue(shared, plan, single.q as number);
    }
    plan.most = 2 ** 31 - 1;
    for (const id of (await makeNames(shared, needed, deadline)).values())
      useQueue(shared, plan, id);
    return plan;
  });
  return rows;
}

function bodyOf(single: Single): Buffer {
  return Buffer.from(String(single["body"]), "base64");
}
