/** Servers under load whose database is copied meanwhile, and what the copy must hold. */
import assert from "node:assert/strict";
import { join } from "node:path";

import { connect } from "../server/client.ts";

const project = join(import.meta.dir, "../..");
const user = Bun.spawnSync(["id", "-un"]).stdout.toString().trim();
/** Messages in each queue before the load begins; so many of 500 bytes are more pages than one step of a backup copies. */
const BEFORE = 4000;

/** What became of the messages of one queue, which are numbered from 0 on. */
export interface Ledger {
  stored: number;
  taken: number;
}

export async function start(home: string, flags: readonly string[] = []) {
  const place = ["-v", "-u", user, "-l", "127.0.0.1", "-p", "0", "-H", home];
  const command = [join(project, "dist/memcacheq"), ...place, ...flags];
  const child = Bun.spawn(command, { stderr: "pipe" });
  const decoder = new TextDecoder();
  let log = "";
  for await (const chunk of child.stderr) {
    log += decoder.decode(chunk, { stream: true });
    const [, port] = /listening on \S+:(\d+)\n/.exec(log) ?? [];
    if (port === undefined) continue;
    const address = { hostname: "127.0.0.1", port: Number(port) };
    async function stop(): Promise<void> {
      child.kill("SIGTERM");
      assert.equal(await child.exited, 0);
    }
    function kill(): Promise<number> {
      child.kill("SIGKILL");
      return child.exited;
    }
    return { address, stop, kill };
  }
  throw new Error(`the server did not start: ${log}`);
}

const body = (n: number) => `${n};`.padEnd(500, "x");
const numberIn = (text: string | undefined) => Number(text?.split(";")[0]);

export type Server = Awaited<ReturnType<typeof start>>;

/** Sets and takes, in order, until told otherwise. */
export function busy({ address }: Server, queue: string, ledger: Ledger, isOver: () => boolean) {
  async function produce(): Promise<void> {
    const client = await connect(address);
    while (!isOver()) {
      await client.put(queue, body(ledger.stored));
      ledger.stored++;
    }
  }
  async function work(): Promise<void> {
    const client = await connect(address);
    while (!isOver()) {
      assert.equal(numberIn(await client.take(queue)), ledger.taken);
      ledger.taken++;
    }
  }
  return Promise.all([produce(), work()]);
}

export async function fill({ address }: Server, queue: string): Promise<Ledger> {
  const client = await connect(address);
  for (let n = 0; n < BEFORE; n++) client.send(`set ${queue} 0 0 500 noreply\r\n${body(n)}\r\n`);
  await client.inStep();
  await client.end();
  return { stored: BEFORE, taken: 0 };
}

/** All messages of the copy, checked against what was known when the copy began and ended. */
export async function verify(
  home: string,
  queue: string,
  before: Ledger,
  after: Ledger,
): Promise<void> {
  const server = await start(home);
  try {
    const client = await connect(server.address);
    const first = numberIn(await client.take(queue));
    assert.ok(first >= before.taken, `message ${first} was taken before the copy began`);
    assert.ok(first <= after.taken + 1, `message ${first - 1} was never taken, and is missing`);
    let last = first;
    for (let text = await client.take(queue); text !== undefined; text = await client.take(queue)) {
      assert.equal(text, body(++last));
    }
    assert.ok(
      last >= before.stored - 1,
      `message ${before.stored - 1} was stored before the copy began`,
    );
    assert.ok(last <= after.stored, `message ${last} was not stored when the copy ended`);
    console.log(`ok: queue ${queue} of the copy has messages ${first} to ${last}`);
  } finally {
    await server.stop();
  }
}
