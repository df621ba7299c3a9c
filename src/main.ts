import license from "../LICENSE" with { type: "text" };
import { bringOver } from "./app/drain.ts";
import { exitWithFailure } from "./app/failure.ts";
import { hashPassword } from "./app/hash_password.ts";
import { ping } from "./app/ping.ts";
import { run } from "./app/run.ts";
import { top } from "./app/top/top.ts";
import { parseCommandLine } from "./config/command_line.ts";
import { unknownVariables } from "./config/environment.ts";
import { help } from "./config/help.ts";
import { isAwaited, openStarterChannel, type StarterChannel } from "./os/daemon.ts";
import { canWrite } from "./os/libc.ts";
import { logInternal, openLog } from "./util/log.ts";
import { program, version } from "./util/version.ts";

await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<void> {
  openLog(canWrite);
  // The queues are in the store, so going on serves clients better than ending would.
  process.on("uncaughtException", logInternal);
  process.on("unhandledRejection", logInternal);
  const channel = openStarterChannel();
  try {
    await act(args, channel);
  } catch (error) {
    exitWithFailure(channel, (error as Error).message);
  }
}

async function act(args: readonly string[], channel: StarterChannel): Promise<void> {
  const commandLine = parseCommandLine(args, process.env);
  if (commandLine.action === "help") return console.log(help());
  if (commandLine.action === "hash-password") return await hashPassword();
  if (commandLine.action === "version") return console.log(`${program} ${version}`);
  if (commandLine.action === "license") return console.log(`${program} ${version}\n\n${license}`);
  const { action, options } = commandLine;
  if (action === "ping") return await ping(options);
  if (action === "top") return await top(options);
  // A daemon's user has read it from the process that started it.
  if (!isAwaited(channel)) tellUnknownVariables();
  if (options.drainFrom !== undefined) return await bringOver(options, options.drainFrom, channel);
  await run(options, args, channel);
}

function tellUnknownVariables(): void {
  for (const name of unknownVariables(process.env)) {
    console.error(`${program}: ${name}: no flag has this variable (see ${program} -h)`);
  }
}
