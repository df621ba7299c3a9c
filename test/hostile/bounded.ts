/**
 * What may make a server grow, each for a server with the standard -m of 64: how much memory it took at most. Short
 * forms are in `bun test`, long ones in the torture.
 */
import { type Client, set } from "../server/client.ts";
import { memoryOf, type Server, start } from "../server/harness.ts";

const MB = 1024 * 1024;

/** What the README promises of the resident set, bytes. */
export const LIMIT = (64 + 150) * MB;

/** The largest that the server's memory has been, bytes. */
export function peak(server: Server): number {
  return memoryOf(server.pid, "VmHWM");
}

/** Sends requests that are not answered, and waits until they are done, some thousands at a time. */
async function pour(
  client: Client,
  count: number,
  request: (n: number) => Uint8Array,
): Promise<void> {
  const portion = 20_000;
  for (let from = 0; from < count; from += portion) {
    const some = Array.from({ length: Math.min(portion, count - from) }, (_, n) =>
      request(from + n),
    );
    client.send(Buffer.concat(some));
    await client.inStep();
  }
}

/** So many queues with a message each, and then another one in each. */
export async function manyQueues(count: number): Promise<number> {
  const server = await start(["-N"]);
  const client = await server.connect();
  for (let round = 0; round < 2; round++) {
    await pour(client, count, (n) => set(`queue-${n}`, "twenty bytes of body", 0, true));
  }
  const highest = peak(server);
  await server.stop();
  return highest;
}

/** So many messages of 100 bytes in one queue. */
export async function deepQueue(count: number): Promise<number> {
  const server = await start(["-N"]);
  const client = await server.connect();
  const message = set("deep", "x".repeat(100), 0, true);
  await pour(client, count, () => message);
  const highest = peak(server);
  await server.stop();
  return highest;
}
