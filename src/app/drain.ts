import type { Address } from "../config/address.ts";
import type { Options } from "../config/options.ts";
import type { Engine } from "../engine/engine.ts";
import { drain } from "../import/drain.ts";
import { openSource } from "../import/open.ts";
import type { Source } from "../import/source.ts";
import type { StarterChannel } from "../os/daemon.ts";
import { lookUpUser } from "../os/user.ts";
import { setVerbosity } from "../util/log.ts";
import { program } from "../util/version.ts";
import { composeEngine } from "./compose.ts";
import { exitWithFailure } from "./failure.ts";
import { readLogin } from "./login.ts";
import { handleSignals, type SignalActions } from "./signals.ts";
import { readPeerTls } from "./tls.ts";

/** A worker that goes on has so long to acknowledge what it has leased. */
const LEASE_WAIT_MS = 10_000;

/**
 * Brings over the messages of the server at `address`, and ends the process.
 * @throws Error when not all of them were moved, in words for the user
 */
export async function bringOver(
  options: Options,
  address: Address,
  channel: StarterChannel,
): Promise<never> {
  setVerbosity(options.verbosity);
  const signals = handleSignals();
  signals.stop = async () => exitWithFailure(channel, "stopped before anything was moved");
  const user = lookUpUser(options.user);
  const source = await openSource({
    ...address,
    tls: readPeerTls(options),
    login: readLogin(options),
  });
  const engine = await composeEngine(withoutLimits(options), user);
  try {
    const moved = await moveAll(engine, source, options.queues, signals);
    tell(`moved ${moved} messages from ${source.name}`);
  } finally {
    source.end();
    await engine.backend.close();
  }
  process.exit(0);
}

/** A message that the other server gave has its place here, whatever the limits. */
function withoutLimits(options: Options): Options {
  const limits = {
    maxMessages: Infinity,
    maxBytes: Infinity,
    minFree: undefined,
    queue: [],
    queuesFile: undefined,
  };
  // Children have their copies there already, and come over as queues of their own.
  return { ...options, socket: undefined, pidFile: undefined, fanout: false, ...limits };
}

/** @returns how many messages were moved */
function moveAll(
  { backend }: Engine,
  source: Source,
  queues: readonly string[] | undefined,
  signals: SignalActions,
): Promise<number> {
  let stopped = false;
  // The drain ends by itself, between two commits.
  signals.stop = () => {
    stopped = true;
    return new Promise(() => undefined);
  };
  const work = { source, backend, stopped: () => stopped, tell, leaseWaitMs: LEASE_WAIT_MS };
  return drain(work, queues);
}

function tell(text: string): void {
  console.error(`${program}: ${text}`);
}
