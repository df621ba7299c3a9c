import type { Options } from "../config/options.ts";
import { finishTurns } from "../engine/turn.ts";
import type { Clients } from "../net/clients.ts";
import { endInput, isUnfinished } from "../net/connection.ts";
import { notify } from "../os/notify.ts";
import { removePidFile } from "../os/pidfile.ts";

/** A listener, of whatever it serves. */
export interface Stoppable {
  place: string;
  stop(): void;
}

/** The server ends after so many milliseconds in which no client took any of its replies. */
const MAX_STALL = 2000;

/** Replies to what was received, and leaves nothing behind but the database. */
export async function stopServer(
  options: Options,
  clients: Clients,
  listeners: readonly Stoppable[],
  endMaintenance: () => void,
): Promise<void> {
  notify("STOPPING=1");
  clients.engine.stopping = true;
  for (const listener of listeners) listener.stop();
  endMaintenance();
  await finishConnections(clients);
  while (!finishTurns(clients.engine)) await nextLoopTurn();
  await clients.engine.backend.close();
  closeListeners(options, []);
}

/** Accepts no more clients, and removes the socket file and the PID file. */
export function closeListeners({ pidFile }: Options, listeners: readonly Stoppable[]): void {
  for (const listener of listeners) listener.stop();
  if (pidFile !== undefined) removePidFile(pidFile);
}

/** Ends each connection when the client has its replies, and gives up when no client reads any more. */
async function finishConnections({ connections, engine }: Clients): Promise<void> {
  const { stats } = engine;
  // What had arrived before the signal is read in the next turn of the loop.
  await nextLoopTurn();
  for (const connection of connections) endInput(connection);
  let written = stats.bytesWritten;
  let progress = performance.now();
  while ([...connections].some(isUnfinished) && performance.now() - progress < MAX_STALL) {
    // A backend that answers later has its time.
    if (stats.bytesWritten !== written || engine.executing) progress = performance.now();
    written = stats.bytesWritten;
    await nextLoopTurn();
  }
}

function nextLoopTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
