/** /metrics, at the real process. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";

import { builds, eventually, isShared, memoryOf, suite } from "../server/harness.ts";
import { fill, startWeb } from "./web.ts";

suite();

test("tells of each queue", async () => {
  const server = await startWeb();
  const [producer, consumer, waiter] = [
    await server.connect(),
    await server.connect(),
    await server.connect(),
  ];
  for (const body of ["one", "three", "fifteen"]) await producer.put("jobs", body);
  expect(await consumer.take("jobs")).toBe("one");
  consumer.send("get jobs/open\r\n");
  expect(await consumer.messages()).toHaveLength(1);
  waiter.send("get empty/t=60000\r\n");
  await producer.inStep();
  const expected: [string, number][] = [
    ["messages", 2],
    ["bytes", 12],
    ["sets_total", 3],
    ["gets_total", 1],
    ["open", 1],
    ["delayed", 0],
    ["leased", 0],
    ["redelivered_total", 0],
    ["dead_total", 0],
    ["waiters", 0],
  ];
  for (const [name, value] of expected) {
    expect([name, await server.metric(`memcacheq_queue_${name}{queue="jobs"}`)]).toEqual([
      name,
      value,
    ]);
  }
  expect(await server.metric('memcacheq_queue_waiters{queue="empty"}')).toBe(1);
  expect(await server.metric('memcacheq_connections{state="waiting"}')).toBe(1);
  expect(await server.metric('memcacheq_connections{state="ready"}')).toBe(2);
  const age = await server.metric('memcacheq_queue_oldest_age_seconds{queue="jobs"}');
  expect(age).toBeGreaterThanOrEqual(0);
  expect(age).toBeLessThan(60);
  await server.stop();
});

test("counts commands by what became of them", async () => {
  const server = await startWeb(["-B", "5", "--max-messages", "2"]);
  const client = await server.connect();
  await client.put("q", "1");
  await client.put("q", "2");
  client.send(
    "set q 0 0 1\r\n3\r\nset q 0 0 1\r\n123\r\nset q 0 0 6\r\n123456\r\nget q\r\nget r\r\ndelete q\r\ndelete q\r\nversion\r\nnonsense\r\n",
  );
  for (const line of ["NOT_STORED", "CLIENT_ERROR bad data chunk"]) {
    expect(await client.line()).toBe(line);
  }
  await client.until("VERSION ");
  await client.until("ERROR\r\n");
  // A get that still waits has missed nothing.
  const waiter = await server.connect();
  waiter.send("get r/t=60000\r\n");
  await eventually("a client that waits", async () =>
    (await server.metric('memcacheq_queue_waiters{queue="r"}')) === 1 ? true : undefined,
  );
  const expected: [command: string, result: string, count: number][] = [
    ["set", "stored", 2],
    ["set", "not_stored", 1],
    ["set", "refused", 1],
    ["set", "failed", 0],
    ["get", "hit", 1],
    ["get", "miss", 1],
    ["delete", "deleted", 1],
    ["delete", "not_found", 1],
    ["version", "done", 1],
    // A body that is too large, what is left of a bad one, and nonsense.
    ["other", "refused", 3],
  ];
  for (const [command, result, count] of expected) {
    const name = `memcacheq_commands_total{command="${command}",result="${result}"}`;
    expect([name, await server.metric(name)]).toEqual([name, count]);
  }
  await server.stop();
});

test("what it counts goes on when `stats` is reset", async () => {
  const server = await startWeb();
  const client = await server.connect();
  await client.put("q", "x");
  expect(await client.take("q")).toBe("x");
  expect(await client.ask("get q")).toBe("END");
  const counters = [
    'commands_total{command="set",result="stored"}',
    'commands_total{command="get",result="hit"}',
    'commands_total{command="get",result="miss"}',
    "connections_total",
    "read_bytes_total",
    "written_bytes_total",
  ];
  const count = () => Promise.all(counters.map((name) => server.metric(`memcacheq_${name}`)));
  const before = await count();
  expect(before.slice(0, 4)).toEqual([1, 1, 1, 1]);
  expect(await client.ask("stats reset")).toBe("RESET");
  const after = await count();
  expect(after.slice(0, 4)).toEqual([1, 1, 1, 1]);
  expect(after[4]).toBe((before[4] ?? 0) + "stats reset\r\n".length);
  expect(after[5]).toBe((before[5] ?? 0) + "RESET\r\n".length);
  await server.stop();
});

test("tells of commits, the disk and the process", async () => {
  const server = await startWeb(["-m", "8"]);
  const client = await server.connect();
  for (let i = 0; i < 5; i++) await client.put("q", "x");
  expect(await server.metric("memcacheq_commit_seconds_count")).toBe(5);
  expect(await server.metric('memcacheq_commit_messages_bucket{le="1"}')).toBe(5);
  expect(await server.metric("memcacheq_commit_messages_sum")).toBe(5);
  expect(await server.metric("memcacheq_sync_seconds_count")).toBeGreaterThanOrEqual(5);
  expect(await server.metric("memcacheq_sync_seconds_sum")).toBeGreaterThan(0);
  const log = await server.metric("memcacheq_log_bytes");
  const database = await server.metric("memcacheq_database_bytes");
  if (isShared) expect([log, database]).toEqual([undefined, undefined]);
  else expect([(log ?? 0) > 4096, (database ?? 0) >= 4096]).toEqual([true, true]);
  expect(await server.metric("memcacheq_memory_limit_bytes")).toBe(8 * 1024 * 1024);
  const messages = await server.metric("memcacheq_memory_messages_bytes");
  expect((messages ?? 0) > 0).toBe(!isShared);
  expect(await server.metric("memcacheq_connections_total")).toBe(1);
  expect(await server.metric("memcacheq_read_bytes_total")).toBe(5 * "set q 0 0 1\r\nx\r\n".length);
  expect(await server.metric("process_start_time_seconds")).toBeWithin(
    1.7e9,
    Date.now() / 1000 + 1,
  );
  expect(await server.metric("process_resident_memory_bytes")).toBeGreaterThan(1e7);
  await server.stop();
});

// It is about the file.
if (!isShared) {
  test("counts messages that were lost", async () => {
    const first = await startWeb();
    const producer = await first.connect();
    // Each is a commit, and so a row of its own.
    for (const body of ["one", "two", "three"]) await producer.put("q", body);
    expect(await first.metric("memcacheq_lost_messages_total")).toBe(0);
    await first.stop();
    const database = new Database(join(first.home, "memcacheq.db"));
    database.run("DELETE FROM segment WHERE CAST(body AS TEXT) = 'two'");
    database.close();

    const second = await startWeb([], { home: first.home });
    const consumer = await second.connect();
    expect(await consumer.take("q")).toBe("one");
    expect(await consumer.ask("get q")).toStartWith(
      "SERVER_ERROR the database is damaged: message 2 ",
    );
    expect(await consumer.take("q")).toBe("three");
    const text = await (await second.get("/metrics")).text();
    expect(text).toContain(
      "# HELP memcacheq_lost_messages_total Messages that could not be read and were skipped.\n" +
        "# TYPE memcacheq_lost_messages_total counter\n" +
        "memcacheq_lost_messages_total 1\n",
    );
    await second.stop();
  });
}

test("without syncs there are no times of them", async () => {
  const server = await startWeb(["-N"]);
  const client = await server.connect();
  await client.put("q", "x");
  expect(await server.metric("memcacheq_sync_seconds_count")).toBe(0);
  expect(await server.metric("memcacheq_commit_seconds_count")).toBe(1);
  await server.stop();
});

test.each(builds)("any name makes a line of its own, in order (%s)", async (build) => {
  const server = await startWeb([], { build });
  const client = await server.connect();
  const names = ['quote"', "back\\slash", "caf\xc3\xa9", "caf\xe9", "\x01\r\x7f", "\xff\xfe"];
  for (const name of names) await client.put(name, "x");
  const response = await server.get("/metrics");
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const text = new TextDecoder("utf-8", { fatal: true }).decode(await response.arrayBuffer());
  const [, ...labels] = text.split('\nmemcacheq_queue_messages{queue="');
  expect(labels.map((rest) => rest.split('"} 1')[0])).toEqual([
    'quote\\"',
    "back\\\\slash",
    "café",
    "café (latin1)",
    "\x01\r\x7f",
    "ÿþ (latin1)",
  ]);
  await server.stop();
});

test("thousands of queues are told of completely, and clients are served in between", async () => {
  const server = await startWeb(["-N", "--metrics-queues", "5001"]);
  const names = Array.from({ length: 5000 }, (_, i) => `queue-${i}`);
  await fill(server.address, names);
  const client = await server.connect();
  let rounds = 0;
  const scrape = server.get("/metrics").then((response) => response.text());
  const finished = scrape.then(() => true);
  while (!(await Promise.race([finished, Promise.resolve(false)]))) {
    await client.put("other", "x");
    rounds++;
  }
  const text = await scrape;
  expect(text.match(/^memcacheq_queue_messages\{/gm)).toHaveLength(rounds > 0 ? 5001 : 5000);
  expect(text.match(/^memcacheq_queue_oldest_age_seconds\{/gm)?.length).toBeGreaterThanOrEqual(
    5000,
  );
  // Made in one go it would leave time for one or two.
  expect(rounds).toBeGreaterThan(10);
  await server.stop();
});

test("a client that does not read what it asked for takes no memory", async () => {
  const server = await startWeb(["-N", "--metrics-queues", "5000"]);
  await fill(
    server.address,
    Array.from({ length: 5000 }, (_, i) => `${"long-name-".repeat(20)}${i}`),
  );
  const port = Number(new URL(server.site).port);
  const before = memoryOf(server.pid);
  const sockets = await Promise.all(
    Array.from({ length: 60 }, () =>
      Bun.connect({
        hostname: "127.0.0.1",
        port,
        socket: { data: (socket) => void socket.pause() },
      }),
    ),
  );
  for (const socket of sockets) socket.write("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  // Another client is answered completely in the meantime, twice.
  for (let i = 0; i < 2; i++) {
    expect((await (await server.get("/metrics")).text()).length).toBeGreaterThan(5000 * 200 * 7);
  }
  // All of their answers together would be more than 400 MB.
  expect(memoryOf(server.pid) - before).toBeLessThan(150 * 1024 * 1024);
  for (const socket of sockets) socket.terminate();
  await server.stop();
});
