/**
 * Runs the examples of the documents as they are printed there, with real clients against the real server. Needs what
 * `bun test` does not: PHP with its two extensions, Python with pymemcache, and the SQLite shell.
 */
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";

import { cleanUpAtExit } from "../bench/cleanup.ts";
import { makeFolder } from "../bench/folder.ts";
import { findProgram, type Program } from "../bench/program.ts";
import { codeBlock } from "../documents.ts";
import { connect } from "../server/client.ts";
import { eventually, type Process, runProcess, startProcess } from "./process.ts";
import { type Server, startServer, stopServer } from "./server.ts";

/** A language that the documents show a producer and a worker in. */
interface Language {
  name: string;
  interpreter: string;
  producer: string;
  worker: string;
  /** The function that the worker calls. */
  work: string;
}

/** What the examples run on; `server` changes when it is started again. */
interface Stage {
  program: Program;
  /** The examples are here, and it is their working directory. */
  folder: string;
  server: Server;
}

const PHP: Language = {
  name: "php",
  interpreter: "php",
  producer: "produce.php",
  worker: "worker.php",
  work: "work.php",
};
const PYTHON: Language = {
  name: "python",
  // The system's own, which has the system's packages; another one may come first on PATH.
  interpreter: "/usr/bin/python3",
  producer: "produce.py",
  worker: "worker.py",
  work: "work.py",
};

/** As the documents have them. */
const PORT = "22201";
const HOME = "/var/lib/memcacheq";
const BACKUP = "/backup";

const TOO_LARGE = "x".repeat(1025);
const SHARED = 200;

let checks = 0;

function check(what: string, actual: unknown, expected: unknown): void {
  if (!Bun.deepEquals(actual, expected)) {
    throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
  }
  checks++;
  console.log(`ok: ${what}`);
}

/** Throws the names of what is missing on this machine. */
async function needInterpreters(): Promise<void> {
  const needs: [name: string, command: string[]][] = [
    ["php with the extension memcached", ["php", "--re", "memcached"]],
    ["php with the extension memcache", ["php", "--re", "memcache"]],
    ["php with the extension pcntl", ["php", "--re", "pcntl"]],
    ["/usr/bin/python3 with pymemcache", [PYTHON.interpreter, "-c", "import pymemcache"]],
    ["sqlite3", ["sqlite3", "-version"]],
  ];
  const works = async (command: string[]) => (await runProcess(command, "/")).code === 0;
  const missing: string[] = [];
  for (const [name, command] of needs) {
    if (!(await works(command).catch(() => false))) missing.push(name);
  }
  if (missing.length > 0) throw new Error(`not on this machine: ${missing.join(", ")}`);
}

async function setUp(): Promise<Stage> {
  const program = findProgram();
  const folder = makeFolder();
  const server = await startServer(program, join(folder, "home"), 0);
  console.log(`${program.name} on port ${server.port}`);
  for (const { name, producer, worker, work } of [PHP, PYTHON]) {
    for (const file of [producer, worker]) {
      await Bun.write(join(folder, file), forHere(codeBlock(name, file), PORT, `${server.port}`));
    }
    copyFileSync(join(import.meta.dir, work), join(folder, work));
  }
  return { program, folder, server };
}

/** The code with a place that the documents have to name exchanged for the one here, and nothing else. */
function forHere(code: string, there: string, here: string): string {
  if (!code.includes(there)) throw new Error(`${there} is not in ${code}`);
  return code.replaceAll(there, here);
}

async function produce(stage: Stage, language: Language, message: string): Promise<void> {
  const { folder } = stage;
  const command = [language.interpreter, language.producer, message];
  const { code, stderr } = await runProcess(command, folder);
  check(`${language.producer} puts "${message}"`, { code, stderr }, { code: 0, stderr: "" });
}

function startWorker({ folder }: Stage, { interpreter, worker }: Language): Process {
  return startProcess([interpreter, worker], { cwd: folder });
}

/** How many connections there have been. */
async function connections(stage: Stage): Promise<number> {
  return (await ask(stage, "stats")).total_connections ?? NaN;
}

function details(stage: Stage): Promise<Record<string, number>> {
  return ask(stage, "stats queue jobs");
}

/** What the server answers to a kind of `stats`, by name. */
async function ask({ server }: Stage, command: string): Promise<Record<string, number>> {
  const client = await connect({ hostname: "127.0.0.1", port: server.port });
  client.send(`${command}\r\n`);
  const stats: Record<string, number> = {};
  for (let line = await client.line(); line !== "END"; line = await client.line()) {
    const [, name = "", value] = line.split(" ");
    stats[name] = Number(value);
  }
  await client.end();
  return stats;
}

async function checkEmpty(stage: Stage): Promise<void> {
  const { messages, open, sets, gets } = await details(stage);
  check("nothing is left", { messages, open, gets }, { messages: 0, open: 0, gets: sets });
}

function idleWorkers(stage: Stage, count: number): Promise<void> {
  return eventually(`${count} workers wait`, async () => (await details(stage)).waiters === count);
}

/** The producer and the worker of one language, through all that can happen to them. */
async function exercise(stage: Stage, language: Language): Promise<void> {
  const { worker: name } = language;
  for (const message of ["one", "two", "three", "four"]) await produce(stage, language, message);

  const killed = startWorker(stage, language);
  check(`${name} works on the first`, await killed.line(), "one");
  killed.tell("done");
  check(`${name} works on the second`, await killed.line(), "two");
  killed.tell("fail");
  check(`${name} gets again what failed`, await killed.line(), "two");
  killed.tell("done");
  check(`${name} works on the third`, await killed.line(), "three");
  killed.kill("SIGKILL");
  check(`${name} is killed in the middle`, await killed.exit(), null);

  const ended = startWorker(stage, language);
  check(`the next ${name} gets that message`, await ended.line(), "three");
  ended.tell("done");
  check(`${name} works on the fourth`, await ended.line(), "four");
  ended.kill("SIGTERM");
  ended.tell("done");
  check(`${name} finishes it and ends`, await ended.exit(), 0);
  await checkEmpty(stage);

  const idle = startWorker(stage, language);
  await idleWorkers(stage, 1);
  await stopServer(stage.server);
  const { home, port } = stage.server;
  stage.server = await startServer(stage.program, home, port);
  await produce(stage, language, "five");
  check(`${name} finds the server that was started again`, await idle.line(), "five");
  idle.tell("done");
  await idleWorkers(stage, 1);
  const before = await connections(stage);
  idle.kill("SIGTERM");
  check(`${name} ends when it has waited`, await idle.exit(), 0);
  // The one is that of the question itself. One more would be a worker that lost patience with the server.
  check(`${name} keeps its connection while it waits`, (await connections(stage)) - before, 1);
  await checkEmpty(stage);
}

async function refuse(stage: Stage, { interpreter, producer }: Language): Promise<void> {
  const { code, stderr } = await runProcess([interpreter, producer, TOO_LARGE], stage.folder);
  check(`${producer} fails with a message that is too large`, code, 1);
  check(`${producer} says why`, /too (large|big)/i.test(stderr), true);
}

/** The line for producers with the older extension. */
async function olderExtension(stage: Stage): Promise<void> {
  const code = forHere(codeBlock("sh", "memcache_connect"), PORT, `${stage.server.port}`);
  const result = await runProcess(["sh", "-c", code], stage.folder);
  check("the extension memcache puts a message", result, { code: 0, stdout: "", stderr: "" });
  const worker = startWorker(stage, PHP);
  check("the extension memcached gets it", await worker.line(), "resize 17");
  worker.kill("SIGTERM");
  worker.tell("done");
  check("the worker ends", await worker.exit(), 0);
  await checkEmpty(stage);
}

/** Workers of both languages on one queue. */
async function share(stage: Stage): Promise<void> {
  const workers = [PHP, PYTHON, PHP, PYTHON].map((language) => startWorker(stage, language));
  await idleWorkers(stage, workers.length);
  const messages = Array.from({ length: SHARED }, (_, i) => `${i}`);
  const client = await connect({ hostname: "127.0.0.1", port: stage.server.port });
  for (const message of messages) await client.put("jobs", message);
  await client.end();

  const lists = await workOff(workers, messages.length);
  await idleWorkers(stage, workers.length);
  for (const worker of workers) worker.kill("SIGTERM");
  for (const worker of workers) check("a worker ends", await worker.exit(), 0);

  const byNumber = (a: string, b: string) => Number(a) - Number(b);
  const inOrder = lists.map((list) => list.toSorted(byNumber));
  check("each worker works in order", lists, inOrder);
  check(
    "none is left out",
    lists.map(({ length }) => length > 0),
    [true, true, true, true],
  );
  check("each message is worked on once", lists.flat().toSorted(byNumber), messages);
  await checkEmpty(stage);
}

/** Lets the workers work on so many messages, and returns what each of them worked on. */
async function workOff(workers: Process[], count: number): Promise<string[][]> {
  const finished = Promise.withResolvers<undefined>();
  let left = count;
  const follow = async (worker: Process): Promise<string[]> => {
    const done: string[] = [];
    for (;;) {
      const message = await Promise.race([worker.line(), finished.promise]);
      if (message === undefined) return done;
      done.push(message);
      worker.tell("done");
      if (--left === 0) finished.resolve(undefined);
    }
  };
  return await Promise.all(workers.map(follow));
}

/** Workers with leases, which end when nothing is left: what fails goes to the dead letters, and comes back from there. */
async function lease(stage: Stage): Promise<void> {
  const { folder, server } = stage;
  const client = await connect({ hostname: "127.0.0.1", port: server.port });
  const files = [
    { language: PHP, file: "lease.php" },
    { language: PYTHON, file: "lease.py" },
  ];
  for (const { language, file } of files) {
    await putHere(stage, language.name, file);
    for (const message of ["good", "bad"]) await client.put("jobs", message);
    const worker = startProcess([language.interpreter, file], { cwd: folder });
    check(`${file} leases the first`, await worker.line(), "good");
    worker.tell("done");
    check(`${file} leases the second`, await worker.line(), "bad");
    worker.tell("fail");
    if (language === PHP) {
      // It is given back, and comes again.
      check(`${file} gets again what failed`, await worker.line(), "bad");
      worker.tell("done");
    }
    check(`${file} ends when nothing is left`, await worker.exit(), 0);
    const { messages, leased } = await details(stage);
    check("nothing is left", { messages, leased }, { messages: 0, leased: 0 });
  }
  await putHere(stage, PYTHON.name, "dead.py");
  check("dead.py", (await runProcess([PYTHON.interpreter, "dead.py"], folder)).code, 0);
  check("the dead letter is back", await client.take("jobs"), "bad");
  check("and no other", await client.take("jobs.dead"), undefined);
  await client.end();
}

/** A stage of a pipeline is killed again and again: each message has one result. */
async function pipeline(stage: Stage): Promise<void> {
  const { folder, server } = stage;
  const client = await connect({ hostname: "127.0.0.1", port: server.port });
  await putHere(stage, PYTHON.name, "stage.py", (code) => code.replace("30000", "1000"));
  const messages = Array.from({ length: 2000 }, (_, n) => `photo ${n}`);
  for (const message of messages) await client.put("photos", message);
  const count = async () => (await ask(stage, "stats queue thumbs"))["sets"] ?? 0;
  for (const least of [300, 900]) {
    const killed = startProcess([PYTHON.interpreter, "stage.py"], { cwd: folder });
    await eventually(`${least} results`, async () => (await count()) >= least);
    killed.kill("SIGKILL");
    await killed.exit();
  }
  await eventually("the leases of the killed ones are over", async () => {
    return (await ask(stage, "stats queue photos"))["leased"] === 0;
  });
  check("stage.py", (await runProcess([PYTHON.interpreter, "stage.py"], folder)).code, 0);
  const results: string[] = [];
  for (let next = await client.take("thumbs"); next !== undefined;) {
    results.push(next);
    next = await client.take("thumbs");
  }
  const expected = messages.map((message) => message.toUpperCase());
  check("each has one result", results.toSorted(), expected.toSorted());
  await client.end();
}

async function putHere(
  { folder, server }: Stage,
  language: string,
  file: string,
  change = (code: string) => code,
): Promise<void> {
  const code = forHere(change(codeBlock(language, file)), PORT, `${server.port}`);
  await Bun.write(join(folder, file), code);
}

/** The SQLite shell beside the running server. */
async function look(stage: Stage): Promise<void> {
  for (const language of [PHP, PYTHON]) await produce(stage, language, language.name);
  const { program, server, folder } = stage;

  const query = forHere(codeBlock("sh", "sqlite3 -readonly"), HOME, server.home);
  const rows = (await runProcess(["sh", "-c", query], folder)).stdout.trimEnd().split("\n");
  const fields = rows.map((row) => row.split("|"));
  const seen = fields.map(([queue, , flags, , body]) => ({ queue, flags, body }));
  const expected = [PHP, PYTHON].map(({ name }) => ({ queue: "jobs", flags: "0", body: name }));
  check("the view shows the messages", seen, expected);

  const home = join(folder, "backup");
  mkdirSync(home);
  const backup = forHere(codeBlock("sh", "VACUUM INTO"), HOME, server.home);
  await runProcess(["sh", "-c", forHere(backup, BACKUP, home)], folder);
  const copy = await startServer(program, home, 0);
  const client = await connect({ hostname: "127.0.0.1", port: copy.port });
  const bodies = [await client.take("jobs"), await client.take("jobs"), await client.take("jobs")];
  check("a server on the backup has them", bodies, [PHP.name, PYTHON.name, undefined]);
  await client.end();
  await stopServer(copy);
}

async function main(): Promise<void> {
  cleanUpAtExit();
  await needInterpreters();
  const stage = await setUp();
  for (const language of [PHP, PYTHON]) {
    await exercise(stage, language);
    await refuse(stage, language);
  }
  await olderExtension(stage);
  await share(stage);
  await lease(stage);
  await pipeline(stage);
  await look(stage);
  await stopServer(stage.server);
  console.log(`the examples of the documents: ${checks} checks passed`);
}

try {
  await main();
  process.exit(0);
} catch (error) {
  console.error(`examples: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
