import type { Server } from "../engine/server.ts";
import type { Connection } from "../net/connection.ts";
import { isSliceOver, newPace, pause } from "./pace.ts";

/** What a connection does. Who is blocked is not served until answers were taken, its own or those of others. */
type State = "ready" | "waiting" | "blocked" | "ending";

/** How many connections do what. With many of them there are rests in between. */
export async function countStates({ connections }: Server): Promise<Record<State, number>> {
  const states = { ready: 0, waiting: 0, blocked: 0, ending: 0 };
  const pace = newPace();
  for (const connection of connections) {
    states[stateOf(connection)]++;
    if (isSliceOver(pace)) await pause(pace);
  }
  return states;
}

function stateOf({ phase, patience, blocked }: Connection): State {
  if (phase !== "open") return "ending";
  if (patience.waiter !== undefined) return "waiting";
  return blocked ? "blocked" : "ready";
}
