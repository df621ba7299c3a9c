/**
 * Runs what FRAMEWORKS.md shows, as it is printed there, with the frameworks that Debian has: Laravel's queues, Symfony's
 * Messenger and Django. Needs what `bun test` does not.
 */
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";

import { cleanUpAtExit } from "../bench/cleanup.ts";
import { makeFolder } from "../bench/folder.ts";
import { findProgram, type Program } from "../bench/program.ts";
import { codeBlock } from "../documents.ts";
import { connect } from "../server/client.ts";
import { runProcess, startProcess } from "./process.ts";
import { startServer, stopServer } from "./server.ts";

/** The system's own, which has the system's packages. */
const PYTHON = "/usr/bin/python3";
const FLAGS = ["-B", "65536", "--queue", "full:max-messages=1"];

/** Where the files of a framework are, and the port of its server. */
interface Stage {
  folder: string;
  port: number;
}

function check(what: string, actual: unknown, expected: unknown): void {
  if (!Bun.deepEquals(actual, expected)) {
    throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
  }
  console.log(`ok: ${what}`);
}

/** A server, and a folder with the files of the tests. */
async function withServer(
  program: Program,
  name: string,
  exercise: (stage: Stage) => Promise<void>,
): Promise<void> {
  const folder = makeFolder();
  cpSync(join(import.meta.dir, "frameworks"), folder, { recursive: true });
  const server = await startServer(program, join(folder, "home"), 0, FLAGS);
  await exercise({ folder, port: server.port });
  const client = await connect({ hostname: "127.0.0.1", port: server.port });
  check(`${name}: nothing is left`, await client.ask("get jobs/peek"), "END");
  await client.end();
  await stopServer(server);
}

async function run(command: string[], { folder }: Stage): Promise<string[]> {
  const { code, stdout, stderr } = await runProcess(command, folder);
  if (code !== 0 || stderr !== "") throw new Error(`${command.join(" ")}: ${stdout}${stderr}`);
  return stdout.trimEnd().split("\n");
}

/** The file of a class, as the document shows it. */
async function putClass({ folder }: Stage, path: string, name: string): Promise<void> {
  const file = `Memcacheq${name}.php`;
  await Bun.write(join(folder, file), codeBlock("php", `<?php // ${path}/${file}`));
}

async function laravel(stage: Stage): Promise<void> {
  for (const name of ["Connector", "Queue", "Job"]) await putClass(stage, "app/Queue", name);
  const lines = await run(["php", "laravel.php", `${stage.port}`], stage);
  check("Laravel: jobs are done, tried again, given up, and delayed", lines, [
    "size 4",
    "ada, attempt 1",
    "bob, attempt 1",
    "reported: cannot reach bob",
    "bob, attempt 2",
    "eve, attempt 1",
    "reported: cannot reach eve",
    "eve, attempt 2",
    "eve failed",
    "reported: cannot reach eve",
    "late, attempt 1",
    "size 0",
  ]);
}

async function symfony(stage: Stage): Promise<void> {
  for (const name of ["TransportFactory", "Transport"])
    await putClass(stage, "src/Messenger", name);
  const lines = await run(["php", "symfony.php", `${stage.port}`], stage);
  check("Symfony: messages are handled, sent again, and delayed", lines, [
    "supported",
    "ada, attempt 1",
    "bob, attempt 1",
    "bob, attempt 2",
    "late, attempt 1",
    "empty",
  ]);
}

async function django(stage: Stage): Promise<void> {
  const { folder, port } = stage;
  const shop = join(folder, "shop");
  const commands = join(shop, "management/commands");
  mkdirSync(commands, { recursive: true });
  for (const each of [shop, join(shop, "management"), commands])
    await Bun.write(join(each, "__init__.py"), "");
  const here = (code: string) => code.replaceAll("22201", `${port}`);
  await Bun.write(join(shop, "queues.py"), here(codeBlock("python", "# shop/queues.py")));
  await Bun.write(
    join(commands, "work.py"),
    codeBlock("python", "shop/management/commands/work.py"),
  );
  const settings = join(shop, "settings.py");
  await Bun.write(settings, here(await Bun.file(settings).text()));
  const python = ["env", "DJANGO_SETTINGS_MODULE=shop.settings", `PYTHONPATH=${folder}`, PYTHON];

  check(
    "Django: messages are put with the transaction",
    await run([...python, "-m", "shop.order"], stage),
    [
      "within the transaction: None",
      "after it: b'one'",
      "in the queue: True",
      "after a set that was not stored: False",
    ],
  );
  const worker = startProcess([...python, "-m", "django", "work"], { cwd: folder });
  check("Django: the command works on the first", await worker.line(), "one");
  worker.tell("fail");
  check("Django: what failed comes again", await worker.line(), "one");
  worker.tell("done");
  check("Django: then the second", await worker.line(), "two");
  worker.kill("SIGKILL");
  await worker.exit();
  const client = await connect({ hostname: "127.0.0.1", port });
  check("Django: it is leased", await client.ask("get jobs"), "END");
  const number = 2;
  check("Django: and is given back", await client.ask(`touch jobs/${number} 0`), "TOUCHED");
  check("Django: the message is there", await client.take("jobs"), "two");
  await client.end();
}

try {
  cleanUpAtExit();
  const program = findProgram();
  await withServer(program, "Laravel", laravel);
  await withServer(program, "Symfony", symfony);
  await withServer(program, "Django", django);
  process.exit(0);
} catch (error) {
  console.error(`frameworks: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
