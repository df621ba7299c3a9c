import { newPlan } from "./plan.ts";
import type { Single } from "./single.ts";
import { runSingles } from "./singles.ts";
import type { Shared, Unresolved } from "./state.ts";
import { type Row, runTurn } from "./turn.ts";

/*
 * A turn whose clients were told that its outcome is unknown. Before anything else is done it is found out: a turn of the
 * same number, with nothing in it, either takes its place or is answered with what it brought. Messages that it took, and
 * that no client got, go back.
 */

export async function settle(shared: Shared, deadline: number): Promise<void> {
  const { unresolved } = shared;
  if (unresolved !== undefined) {
    const rows = await runTurn(shared, newPlan(), unresolved.no, [], deadline);
    shared.turns = unresolved.no;
    shared.unresolved = undefined;
    shared.leftovers.push(...rows.flatMap((row) => undoing(unresolved, row)));
  }
  if (shared.leftovers.length === 0) return;
  const singles = [...shared.leftovers];
  await runSingles(shared, singles, deadline);
  shared.leftovers.splice(0, singles.length);
}

function undoing({ steps }: Unresolved, row: Row): Single[] {
  const step = steps.get(row.step);
  if (step === undefined) return [];
  const { queue: q, kind, consumer: c } = step;
  if (kind === "open" && row.outcome === "done")
    return [{ k: "release", q, c, inVain: false, absent: "done" }];
  return kind === "take" && row.body !== null ? restoring(q, row) : [];
}

function restoring(q: number, { ends, flags, body, number, info }: Row): Single[] {
  const first = ends?.[0] ?? 0;
  return Array.from({ length: (ends?.length ?? 1) - 1 }, (_, i) => {
    const bytes =
      body?.subarray((ends?.[i] as number) - first, (ends?.[i + 1] as number) - first) ??
      Buffer.alloc(0);
    return {
      k: "restore",
      q,
      queueId: q,
      n: number + i,
      flags: (flags?.[i] ?? 0) | 0,
      brought: Number(info?.["deliveries"] ?? 0),
      absent: "done",
      length: bytes.length,
      body: Buffer.from(bytes).toString("base64"),
    };
  });
}
