import type { Options } from "../../config/options.ts";
import { connectPeer, nameOf, type Peer, type Place } from "../../import/peer.ts";
import { readLogin } from "../login.ts";
import { placeOf } from "../place.ts";
import { showScreen } from "./screen.ts";
import { type Snapshot, takeSnapshot } from "./snapshot.ts";
import { FULLEST_FIRST, line, sorted, summary, titles } from "./table.ts";

/** Between the two looks that rates are made from, where the table is printed once. */
const ONCE_INTERVAL_MS = 1000;

/**
 * Shows the queues of the server at -s, or -l and -p: on a terminal again and again until `q` is typed, elsewhere once.
 * @throws Error in words for the user when the server cannot be asked
 */
export async function top(options: Options): Promise<void> {
  const place = { ...placeOf(options), login: readLogin(options) };
  const watch = newWatch(place);
  try {
    await look(watch);
    if (process.stdout.isTTY && process.stdin.isTTY)
      await showScreen(nameOf(place), () => look(watch));
    else await printOnce(watch);
  } catch (error) {
    throw new Error(`--top: ${(error as Error).message}`);
  } finally {
    watch.peer?.end();
  }
}

/** What is known of a server, and the connection to it while there is one. */
interface Watch {
  place: Place;
  peer: Peer | undefined;
  before: Snapshot | undefined;
}

function newWatch(place: Place): Watch {
  return { place, peer: undefined, before: undefined };
}

/** Connects again after a failure. @throws Error in words for the user */
async function look(watch: Watch): Promise<Snapshot> {
  const { place, before } = watch;
  const peer = (watch.peer ??= await connectPeer(place));
  try {
    return (watch.before = await takeSnapshot(peer, before));
  } catch (error) {
    peer.end();
    watch.peer = undefined;
    watch.before = undefined;
    throw error;
  }
}

/** The table in lines that a script can read. */
async function printOnce(watch: Watch): Promise<void> {
  await Bun.sleep(ONCE_INTERVAL_MS);
  const snapshot = await look(watch);
  const lines = sorted(snapshot.queues, FULLEST_FIRST).map(line);
  await Bun.write(
    Bun.stdout,
    [summary(snapshot, nameOf(watch.place)), titles(), ...lines, ""].join("\n"),
  );
}
