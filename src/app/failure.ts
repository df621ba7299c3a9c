import { isAwaited, reportFailure, type StarterChannel } from "../os/daemon.ts";
import { program } from "../util/version.ts";

/** Ends the process with a reason for the user; a daemon tells it to the process that started it. */
export function exitWithFailure(channel: StarterChannel, message: string): never {
  if (isAwaited(channel)) reportFailure(channel, message);
  else console.error(`${program}: ${message}`);
  process.exit(1);
}
