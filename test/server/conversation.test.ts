/** Every recorded conversation and every row of the protocol, over each kind of socket, from source and compiled. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";

import { type Client } from "./client.ts";
import { talk } from "./conversation.ts";
import { conversations } from "./conversations.ts";
import { builds, scratch, type Server, start, type StartOptions, suite } from "./harness.ts";

suite();

const sockets: readonly (readonly [kind: string, options: () => StartOptions])[] = [
  ["TCP over IPv4", () => ({ address: "127.0.0.1" })],
  ["TCP over IPv6", () => ({ address: "::1" })],
  ["a Unix socket", () => ({ socket: join(scratch(), "socket") })],
];

describe.each(builds)("%s", (build) => {
  describe.each(sockets)("%s", (_kind, options) => {
    let server: Server;
    let client: Client;

    beforeAll(async () => {
      server = await start([], { build, ...options() });
      client = await server.connect();
    });
    afterAll(async () => {
      expect(await server.stop()).toMatchObject({ code: 0, stdout: "" });
    });

    test.each(conversations)("%s", async (_title, text) => {
      await talk(client, text);
    });

    test("quit", async () => {
      const leaving = await server.connect();
      leaving.send("get nothing\r\nquit\r\n");
      expect(await leaving.rest()).toBe("END\r\n");
      await client.inStep();
    });
  });
});
