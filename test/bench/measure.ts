import { join } from "node:path";

import { owned } from "./cleanup.ts";
import type { Contender } from "./contender.ts";
import type { Job, Report, Task } from "./job.ts";
import type { Server } from "./server.ts";

const LOAD = join(import.meta.dir, "load/main.ts");

/** One task with one contender. What goes wrong is in the report. */
export async function measure(contender: Contender, task: Task): Promise<Report> {
  try {
    const server = await contender.start();
    try {
      const { address, pid } = server;
      const report = await load({ ...task, address, pid, dialect: contender.dialect });
      return "failure" in report ? withLastWords(report.failure, server) : report;
    } finally {
      await server.stop();
    }
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

function withLastWords(failure: string, server: Server): Report {
  const said = server.lastWords();
  return { failure: said === "" ? failure : `${failure}; the server said: ${said}` };
}

/** Runs one job in a process of its own, so that nothing else is in its way. */
async function load(job: Job): Promise<Report> {
  const child = owned(
    Bun.spawn([process.execPath, LOAD, JSON.stringify(job)], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    }),
  );
  const [printed, said] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) === 0) return JSON.parse(printed) as Report;
  return { failure: `the load generator ended: ${said.trim() || child.signalCode}` };
}
