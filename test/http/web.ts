/** A server with `--http`, for tests. */
import { type Address, connect } from "../server/client.ts";
import { start, type StartOptions } from "../server/harness.ts";

export type Web = Awaited<ReturnType<typeof startWeb>>;

/** Starts a server whose pages are served at a free port of 127.0.0.1. */
export async function startWeb(flags: readonly string[] = [], options: StartOptions = {}) {
  const server = await start(["--http", "0", ...flags], options);
  const [, port = ""] = await server.logged(/listening on http 127\.0\.0\.1:(\d+)$/m);
  const site = `http://127.0.0.1:${port}`;
  return {
    ...server,
    site,
    get: (path: string, init?: RequestInit) => fetch(`${site}${path}`, init),
    /** The value of one line of /metrics; undefined when there is none. */
    async metric(name: string): Promise<number | undefined> {
      const text = await (await fetch(`${site}/metrics`)).text();
      const line = text.split("\n").find((line) => line.startsWith(`${name} `));
      return line === undefined ? undefined : Number(line.slice(name.length + 1));
    },
  };
}

/** Sets many messages without waiting for each answer. */
export async function fill(address: Address, names: readonly string[], body = "x"): Promise<void> {
  const client = await connect(address);
  client.send(
    names.map((name) => `set ${name} 0 0 ${body.length} noreply\r\n${body}\r\n`).join(""),
  );
  await client.inStep();
  await client.end();
}
