import type { Program } from "../bench/program.ts";
import { type Process, runProcess, startProcess } from "./process.ts";

export interface Server {
  process: Process;
  home: string;
  port: number;
}

/** @param port 0 lets the system pick one */
export async function startServer(
  program: Program,
  home: string,
  port: number,
  more: string[] = [],
): Promise<Server> {
  const { stdout } = await runProcess(["id", "-un"], "/");
  const flags = ["-v", "-u", stdout.trim(), "-l", "127.0.0.1", "-p", `${port}`, "-H", home];
  const command = [...program.command, ...flags, ...more];
  const process = startProcess(command, { cwd: "/", speaksOn: "stderr" });
  let bound: string | undefined;
  // Fails when the server ends without that line.
  while (bound === undefined) {
    bound = /listening on 127\.0\.0\.1:(\d+)$/.exec(await process.line())?.[1];
  }
  return { process, home, port: Number(bound) };
}

/** Throws when it doesn't end cleanly. */
export async function stopServer({ process }: Server): Promise<void> {
  process.kill("SIGTERM");
  const code = await process.exit();
  if (code !== 0) throw new Error(`the server ended with ${code}`);
}
