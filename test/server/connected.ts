/**
 * What a server tells of itself: numbers of its statistics, and how many clients it knows of. The end of one may reach it after what another sends later: each has its own
 * way through the system, which promises no order between them.
 */
import type { Client } from "./client.ts";
import { eventually } from "./harness.ts";

/** A number of `stats`. */
export async function statistic(client: Client, name: string): Promise<number> {
  client.send("stats\r\n");
  const text = await client.until("END\r\n");
  return Number(new RegExp(`^STAT ${name} (\\d+)\\r$`, "m").exec(text)?.[1]);
}

/** All that `stats queue` tells of the queue. */
export async function details(client: Client, queue: string): Promise<Record<string, string>> {
  client.send(`stats queue ${queue}\r\n`);
  const text = await client.until("END\r\n");
  return Object.fromEntries([...text.matchAll(/STAT (\S+) (\S+)\r\n/g)].map((row) => row.slice(1)));
}

/** Resolves when the server knows of no more than so many, the one who asks among them. */
export async function untilConnected(client: Client, most: number): Promise<void> {
  await eventually("the ends of connections", async () =>
    (await statistic(client, "curr_connections")) <= most ? true : undefined,
  );
}
