import { AwayError, PlanError } from "./grace.ts";
import { forget } from "./names.ts";
import { announce, tellOthers } from "./notify.ts";
import type { Plan } from "./plan.ts";
import { rejoin } from "./server.ts";
import type { Shared } from "./state.ts";
import { type Row, runTurn, tellsOf } from "./turn.ts";

/** A turn that is planned anew so often is a mistake of ours. */
const MAX_PLANS = 200;

/** Does the work when all that was begun before is done: a server has one turn at a time. */
export function inTurn<T>(shared: Shared, work: () => Promise<T>): Promise<T> {
  const done = shared.last.then(work);
  shared.last = done.catch(() => undefined);
  return done;
}

/**
 * Plans a turn, and has it executed. It is planned anew as long as that shows something that was not known.
 * @param plan its argument is the name of a queue that is needed, or that a limit is near
 */
export async function runPlanned(
  shared: Shared,
  deadline: number,
  plan: (failure: string | undefined) => Promise<Plan>,
): Promise<{ plan: Plan; rows: Row[] }> {
  let failure: string | undefined;
  for (let n = 0; n < MAX_PLANS; n++) {
    const planned = await plan(failure);
    failure = undefined;
    if (planned.steps.length === 0) return { plan: planned, rows: [] };
    const no = shared.turns + 1;
    try {
      const rows = await runTurn(shared, planned, no, awaitedIds(shared, planned), deadline);
      shared.turns = no;
      countBytes(shared, rows);
      tellOthers(shared, rows);
      announce(shared, rows);
      return { plan: planned, rows };
    } catch (error) {
      if (error instanceof AwayError && error.isSent) noteUnresolved(shared, planned, no);
      if (!(error instanceof PlanError)) throw error;
      const found = error.failure;
      if (found.kind === "name") failure = found.name;
      else if (found.kind === "limit") failure = "limit";
      else if (found.kind === "deleted") forget(shared.names, found.id);
      else if (found.kind === "given up") await rejoin(shared, no, deadline);
      else throw error;
    }
  }
  throw new Error("a turn was planned too often");
}

/** The limit for the bytes in all queues is kept by what is known here. */
function countBytes({ usage }: Shared, rows: readonly Row[]): void {
  usage.bytes += Number(tellsOf(rows)["bytes"] ?? 0);
}

function noteUnresolved(shared: Shared, { steps, singles, counts }: Plan, no: number): void {
  const found = steps.map(({ kind, queue }, i) => {
    const single = kind === "single" ? singles[counts[i] as number] : undefined;
    return [
      i + 1,
      { queue, kind: single?.k ?? kind, consumer: Number(single?.["c"] ?? 0) },
    ] as const;
  });
  shared.unresolved = { no, steps: new Map(found) };
}

function awaitedIds({ names, watcher }: Shared, { queues }: Plan): number[] {
  return queues.filter((id) => watcher.isAwaited(names.names.get(id) ?? ""));
}
