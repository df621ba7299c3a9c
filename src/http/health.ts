import type { Engine } from "../engine/engine.ts";
import { reasonOf } from "./failure.ts";

/** The outcome of a commit counts as the present state for so many milliseconds. */
const RECENT_MS = 1000;

/** Why the server cannot store messages; undefined when it can. A commit is tried unless there was one just now. */
export async function unhealthyReason({
  stats,
  backend,
  runtime,
}: Engine): Promise<string | undefined> {
  const { commits } = stats;
  const shortage = backend.shortage();
  if (shortage !== undefined) return shortage;
  const now = runtime.monotonic();
  if (now - commits.failedAt < RECENT_MS && commits.failedAt >= commits.succeededAt) {
    return commits.failure;
  }
  if (now - commits.succeededAt < RECENT_MS) return undefined;
  try {
    await backend.probe();
    commits.succeededAt = now;
    return undefined;
  } catch (error) {
    commits.failedAt = now;
    commits.failure = reasonOf(error);
    return commits.failure;
  }
}
