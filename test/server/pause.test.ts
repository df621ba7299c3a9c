/** A paused queue stores everything and delivers nothing. */
import { expect, test } from "bun:test";

import { set } from "./client.ts";
import { eventually, start, suite } from "./harness.ts";
import { beginWaiting } from "./waiter.ts";

suite();

test("nothing is delivered, and all else works", async () => {
  const server = await start();
  const client = await server.connect();
  const worker = await server.connect();
  await client.put("q", "1");
  await client.put("q", "2");
  worker.send("get q/open\r\n");
  await worker.until("END\r\n");
  expect(await client.ask("pause q 0")).toBe("OK");
  await client.put("q", "3");
  expect(await client.take("q")).toBeUndefined();
  expect(await client.ask("get q/open")).toBe("END");
  expect(await client.ask("get q/t=1")).toBe("END");
  client.send("get q/peek\r\n");
  expect((await client.messages()).map(({ body }) => body)).toEqual(["2"]);
  client.send("stats queue q\r\n");
  expect(await client.until("END\r\n")).toContain("STAT paused -1\r\n");
  expect(await worker.ask("get q/close")).toBe("END");
  expect(await client.ask("resume q")).toBe("OK");
  expect([await client.take("q"), await client.take("q")]).toEqual(["2", "3"]);
  client.send("stats queue q\r\n");
  expect(await client.until("END\r\n")).toContain("STAT paused 0\r\n");
  await server.stop();
});

test("a client that waits gets its message when the pause ends, by itself or by resume", async () => {
  const server = await start();
  const client = await server.connect();
  const waiter = await server.connect();
  await client.put("q", "1");
  for (const end of ["resume q", "pause q 1"]) {
    expect(await client.ask("pause q 100")).toBe("OK");
    await beginWaiting(waiter, "q/t=20000");
    await client.put("q", "2");
    await client.inStep();
    expect(await client.ask(end)).toBe("OK");
    expect(await waiter.messages()).toMatchObject([{ queue: "q/t=20000" }]);
  }
  await server.stop();
});

test("a pause survives kill -9, and its end comes all the same", async () => {
  const first = await start();
  const client = await first.connect();
  for (const queue of ["a", "b", "c"]) await client.put(queue, queue);
  expect(await client.ask("pause a 0")).toBe("OK");
  expect(await client.ask("pause b 1")).toBe("OK");
  expect(await client.ask("pause c 0")).toBe("OK");
  expect(await client.ask("resume c")).toBe("OK");
  first.kill("SIGKILL");
  await first.exit();

  const second = await start([], { home: first.home });
  const after = await second.connect();
  expect(await after.take("a")).toBeUndefined();
  expect(await after.take("c")).toBe("c");
  expect(await eventually("the end of a pause", () => after.take("b"))).toBe("b");
  expect(await after.ask("resume a")).toBe("OK");
  expect(await after.take("a")).toBe("a");
  await second.stop();
});

test("the key form works in each dialect", async () => {
  const server = await start();
  const client = await server.connect();
  await client.put("q", "1");
  expect(await client.ask("get q/pause=0")).toBe("END");
  expect(await client.ask("mg q v")).toBe("EN");
  expect(await client.ask("mg q/resume")).toBe("EN");
  expect(await client.ask("mg q/pause=5")).toBe("EN");
  expect(await client.take("q")).toBeUndefined();
  expect(await client.ask("get q/resume unknown/pause=1")).toBe("END");
  expect(await client.take("q")).toBe("1");
  await server.stop();
});

test("what is wrong is refused in step", async () => {
  const server = await start();
  const client = await server.connect();
  const seconds = "a pause is a number of seconds from 0 to 2147483647, 0 is until resume";
  expect(await client.ask("pause")).toBe("ERROR");
  expect(await client.ask("pause q 5")).toBe("NOT_FOUND");
  expect(await client.ask("resume q")).toBe("NOT_FOUND");
  expect(await client.ask("pause q")).toBe(`CLIENT_ERROR ${seconds}`);
  expect(await client.ask("pause q -1")).toBe(`CLIENT_ERROR ${seconds}`);
  expect(await client.ask("pause q 1 2")).toBe(`CLIENT_ERROR ${seconds}`);
  expect(await client.ask("resume q 2")).toBe("CLIENT_ERROR bad command line format");
  expect(await client.ask("get q/pause=x")).toBe(`CLIENT_ERROR pause=x: ${seconds}`);
  expect(await client.ask("get q/pause=1/open")).toBe(
    "CLIENT_ERROR option pause= does not go with open",
  );
  client.send("pause q 5 noreply\r\nresume q noreply\r\n");
  client.send(set("q", "1"));
  expect(await client.line()).toBe("STORED");
  await server.stop();
});
