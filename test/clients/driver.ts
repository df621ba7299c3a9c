/**
 * A driver is a program that does with one client library what it is told, so that all libraries go through the same
 * cases. It is started with the client's name, its dialect, the server's port and what protect.ts has for it, says `ready <version>`, and then
 * answers each line with one, until its input ends. Bodies are in base64.
 *
 *     set <queue> <body>      stored | not stored
 *     get <queue>             body <body> | none
 *     many <queue> ...        many <queue>=<body> ...     with one request, for those that have a message
 *     give <queue> <kind>     stored | not stored         a value of the language, as the client serialises it
 *     match <queue> <kind>    same | other <what>         whether what it gets is that value
 *     delete <queue>          deleted | missing | gone    gone: the client doesn't tell which
 *     stats [<word> ...]      stats <name>=<value> ...
 *
 * Anything can be answered `error <what>`, and `cannot <why>` by a client that has no such thing.
 */
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { type Process, startProcess } from "./process.ts";

/** The kinds of values; each driver has one of each. */
export const KINDS = ["integer", "text", "array", "object", "large"] as const;
export type Kind = (typeof KINDS)[number];

export interface Driver {
  version: string;
  set(queue: string, body: Buffer): Promise<boolean>;
  get(queue: string): Promise<Buffer | undefined>;
  getMany(queues: string[]): Promise<Map<string, Buffer>>;
  give(queue: string, kind: Kind): Promise<boolean>;
  /** The value that was got in words, or undefined when it is that of its kind. */
  match(queue: string, kind: Kind): Promise<string | undefined>;
  delete(queue: string): Promise<"deleted" | "missing" | "gone">;
  stats(...words: string[]): Promise<Map<string, string>>;
  end(): void;
}

/** The driver does not start: its client, or what runs it, is not on this machine. */
export class Missing extends Error {}

/** The client has no such thing. */
export class Cannot extends Error {}

let started = 0;

/** @param folder its working directory, which takes what it says on standard error */
export async function startDriver(command: string[], folder: string): Promise<Driver> {
  const log = join(folder, `driver-${started++}.log`);
  const words = (): string => readFileSync(log, "utf8").trim().split("\n").at(-1) ?? "";
  const errors = openSync(log, "w");
  const process = spawn(command, folder, errors);
  const greeting = await process.line().catch(() => "");
  if (!greeting.startsWith("ready ")) throw new Missing(words() || greeting || "it says nothing");

  /** What is said behind one of the expected words. */
  async function ask(line: string, ...expected: string[]): Promise<[word: string, rest: string]> {
    process.tell(line);
    const answer = await process.line().catch((error: Error) => {
      throw new Error(`${error.message} ${words()}`);
    });
    const word = [...expected, "cannot"].find((start) => `${answer} `.startsWith(`${start} `));
    const rest = answer.slice((word ?? "").length + 1);
    if (word === "cannot") throw new Cannot(rest);
    if (word === undefined) throw new Error(`${shorten(line)}: ${shorten(answer)}`);
    return [word, rest];
  }

  return {
    version: greeting.slice("ready ".length),
    async set(queue, body) {
      const [word] = await ask(`set ${queue} ${body.toString("base64")}`, "stored", "not stored");
      return word === "stored";
    },
    async get(queue) {
      const [word, body] = await ask(`get ${queue}`, "body", "none");
      return word === "none" ? undefined : Buffer.from(body, "base64");
    },
    async getMany(queues) {
      const [, rest] = await ask(`many ${queues.join(" ")}`, "many");
      return new Map([...pairs(rest)].map(([name, body]) => [name, Buffer.from(body, "base64")]));
    },
    async give(queue, kind) {
      const [word] = await ask(`give ${queue} ${kind}`, "stored", "not stored");
      return word === "stored";
    },
    async match(queue, kind) {
      const [word, rest] = await ask(`match ${queue} ${kind}`, "same", "other");
      return word === "same" ? undefined : rest;
    },
    async delete(queue) {
      const [word] = await ask(`delete ${queue}`, "deleted", "missing", "gone");
      return word as "deleted" | "missing" | "gone";
    },
    async stats(...words) {
      const [, rest] = await ask(["stats", ...words].join(" "), "stats");
      return new Map(pairs(rest));
    },
    end() {
      process.kill("SIGKILL");
      closeSync(errors);
    },
  };
}

function spawn(command: string[], folder: string, errors: number): Process {
  try {
    return startProcess(command, { cwd: folder, log: errors });
  } catch (error) {
    throw new Missing((error as Error).message);
  }
}

function* pairs(text: string): Generator<[string, string]> {
  for (const word of text.split(" ").filter((word) => word !== "")) {
    const [name = ""] = word.split("=", 1);
    yield [name, word.slice(name.length + 1)];
  }
}

function shorten(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}
