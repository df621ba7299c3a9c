/** `set <queue>/id=<token>`: a producer that did not get its answer repeats the set. */
import { expect, test } from "bun:test";

import { set } from "./client.ts";
import { start, suite } from "./harness.ts";
import { binaryClient } from "./packets.ts";

suite();

test("a repeat is STORED and adds nothing, in each dialect, also after kill -9", async () => {
  const first = await start(["--queue", "short:once=1"]);
  const client = await first.connect();
  for (let n = 0; n < 3; n++) {
    client.send(set("q/id=one", "text"));
    expect(await client.line()).toBe("STORED");
  }
  expect(await client.ask("ms q/id=one 4\r\nmeta")).toBe("HD");
  expect(await client.ask("ms q/id=two 4\r\nmeta")).toBe("HD");
  client.send(set("q/id=two", "text"));
  expect(await client.line()).toBe("STORED");
  client.send("stats queue q\r\n");
  const stats = await client.until("END\r\n");
  expect(stats).toContain("STAT messages 2\r\n");
  expect(stats).toContain("STAT duplicates 4\r\n");
  expect(stats).toContain("STAT once 600000\r\n");
  const binary = await binaryClient(first);
  for (const key of ["q/id=one", "q/id=three", "q/id=three"]) {
    expect(await binary.set(key, "binary")).toMatchObject({ status: 0 });
  }
  first.kill("SIGKILL");
  await first.exit();

  const second = await start([], { home: first.home });
  const after = await second.connect();
  for (const id of ["one", "two", "three"]) {
    after.send(set(`q/id=${id}`, "again"));
    expect(await after.line()).toBe("STORED");
  }
  const bodies = [await after.take("q"), await after.take("q"), await after.take("q")];
  expect(bodies).toEqual(["text", "meta", "binary"]);
  expect(await after.take("q")).toBeUndefined();
  await second.stop();
});

test("a wrong id is refused, its body swallowed", async () => {
  const server = await start();
  const client = await server.connect();
  for (const id of ["", "x".repeat(65)]) {
    client.send(set(`q/id=${id}`, "get q\r\n"));
    expect(await client.line()).toStartWith("CLIENT_ERROR bad value in id=" + id.slice(0, 10));
  }
  client.send(set(`q/id=${"\xff".repeat(64)}/delay=0`, "1"));
  expect(await client.line()).toBe("STORED");
  client.send(set("q/id=a", "1", 0, true));
  client.send(set("q/id=a", "1", 0, true));
  await client.inStep();
  client.send("stats queue\r\n");
  expect(await client.until("END\r\n")).toBe("STAT q 2/0\r\nEND\r\n");
  await server.stop();
});
