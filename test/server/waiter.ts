/** Clients that wait. */
import type { Client } from "./client.ts";
import type { Server } from "./harness.ts";

/** A new connection that has begun to wait, in a `get` of this key, when this resolves. */
export async function waiter(server: Server, key: string): Promise<Client> {
  const client = await server.connect();
  await beginWaiting(client, key);
  return client;
}

/** The same with a connection that is there. What is `behind` the `get` waits, too. */
export async function beginWaiting(client: Client, key: string, behind = ""): Promise<void> {
  // They arrive together: when the first is answered, the second has been executed.
  client.send(`version\r\nget ${key}\r\n${behind}`);
  const answer = await client.line();
  if (!answer.startsWith("VERSION ")) throw new Error(`VERSION expected, not ${answer}`);
}
