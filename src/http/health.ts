import { reasonOf, type Server } from "../engine/server.ts";

/** A commit within so many milliseconds is proof enough, of success and of failure. */
const RECENT = 1000;

/** Why the server cannot commit; undefined when it can. It is tried unless it was just seen. */
export function ailment({ stats: { commits }, store }: Server): string | undefined {
  const now = Date.now();
  if (now - commits.failedAt < RECENT && commits.failedAt >= commits.succeededAt) {
    return commits.failure;
  }
  if (now - commits.succeededAt < RECENT) return undefined;
  try {
    store.probe();
    commits.succeededAt = now;
    return undefined;
  } catch (error) {
    commits.failedAt = now;
    commits.failure = reasonOf(error);
    return commits.failure;
  }
}
