/** Operations of one server on queues in PostgreSQL. */
import { afterAll, beforeAll, expect, test } from "bun:test";

import { databases } from "./database.ts";
import { ask, drain, newServer, operation, put, run, type Server, take, told } from "./shop.ts";

const { port, make } = databases();
let server: Server;

beforeAll(async () => {
  server = await newServer(await port(), await make());
});

afterAll(() => server.backend.close());

test("messages come out in the order of the sets, with their flags and numbers", async () => {
  const operations = await run(
    server,
    put("a", "one", { flags: 1 }),
    put("a", "two", { flags: 0xffff_ffff }),
    take("a"),
    take("a"),
    take("a"),
  );
  expect(operations.map(told)).toEqual(["done", "done", "one", "two", "absent"]);
  expect(operations.map(({ number }) => number)).toEqual([1, 2, 1, 2, 0]);
  expect(operations[3]?.flags).toBe(0xffff_ffff);
});

test("open, close, abort", async () => {
  const consumer = server.backend.newConsumer();
  await run(server, put("b", "one"), put("b", "two"));
  expect(await ask(server, operation("open", "b", { consumer }))).toBe("one");
  expect(await ask(server, operation("open", "b", { consumer }))).toBe("held");
  expect(await ask(server, operation("abort", "b", { consumer, delay: -1 }))).toBe("done");
  expect(await ask(server, operation("open", "b", { consumer }))).toBe("one");
  expect(await ask(server, operation("close", "b", { consumer }))).toBe("done");
  expect(await ask(server, operation("close", "b", { consumer }))).toBe("absent");
  expect(await drain(server, "b")).toEqual(["two"]);
});

test("nothing of a queue that is not there expires, whatever the record told before", async () => {
  const [expire] = await run(server, operation("expire", "nowhere", { number: 7 }));
  expect([expire?.outcome, expire?.number]).toEqual(["done", 0]);
});
