/** Ten thousand connections that wait, on one server. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { set } from "./client.ts";
import { eventually, memoryOf, type Server, start, suite } from "./harness.ts";

suite();

const MB = 1024 * 1024;

/** A connection that costs a test next to nothing: what it was answered, and nothing else. */
interface Waiter {
  socket: Bun.Socket<Waiter>;
  answer: string;
}

/** Connects, and sends `text(n)` on connection `n`. */
async function crowd(
  server: Server,
  count: number,
  text: (n: number) => string | Uint8Array,
): Promise<Waiter[]> {
  const waiters: Waiter[] = [];
  for (let from = 0; from < count; from += 250) {
    const some = Array.from({ length: Math.min(250, count - from) }, async (_, at) => {
      const waiter = { answer: "" } as Waiter;
      waiter.socket = await Bun.connect<Waiter>({
        hostname: "127.0.0.1",
        port: server.port,
        data: waiter,
        socket: { data: (socket, chunk) => void (socket.data.answer += chunk.toString("latin1")) },
      });
      waiter.socket.write(text(from + at));
      return waiter;
    });
    waiters.push(...(await Promise.all(some)));
  }
  return waiters;
}

/** Starts a server that has the queue, empty: who waits for one is told only once there is one. */
async function startWith(queue: string, ...flags: string[]): Promise<Server> {
  const server = await start(["-c", "12000", "-N", ...flags]);
  const client = await server.connect();
  await client.put(queue, "first");
  expect(await client.take(queue)).toBe("first");
  await client.end();
  return server;
}

/** Resolves when so many wait for the queue. */
async function waiting(server: Server, queue: string, count: number): Promise<void> {
  const client = await server.connect();
  await eventually(`${count} that wait`, async () => {
    client.send(`stats queue ${queue}\r\n`);
    const found = await client.until("END\r\n");
    return found.includes(`STAT waiters ${count}\r\n`) ? true : undefined;
  });
  await client.end();
}

/** CPU time that a process has used, in milliseconds. */
function cpuTime(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // utime and stime are the 12th and 13th field after the program's name, in units of 10 ms.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function end(waiters: Waiter[]): void {
  for (const { socket } of waiters) socket.terminate();
}

describe("10,000 that wait for one queue", () => {
  const count = 10_000;

  test("cost no time while nothing comes, and then each gets one message", async () => {
    const server = await startWith("q");
    const before = memoryOf(server.pid);
    const waiters = await crowd(server, count, () => "get q/t=1000000\r\n");
    await waiting(server, "q", count);
    expect(memoryOf(server.pid) - before).toBeLessThan(200 * MB);

    // What it is doing about their arrival comes to an end.
    await eventually("a second without work", async () => {
      const used = cpuTime(server.pid);
      await Bun.sleep(1000);
      return cpuTime(server.pid) - used < 100 ? true : undefined;
    });

    const client = await server.connect();
    for (let n = 0; n < count; n += 1000) {
      const some = Array.from({ length: 1000 }, (_, k) => set("q", `${n + k}`));
      client.send(Buffer.concat(some));
      const stored = await client.read(1000 * "STORED\r\n".length);
      expect(stored.toString()).toBe("STORED\r\n".repeat(1000));
    }
    await eventually("all to be served", () =>
      waiters.every(({ answer }) => answer.endsWith("END\r\n")) ? true : undefined,
    );
    const bodies = waiters.map(({ answer }) => {
      const [, body] = /^VALUE q\/t=1000000 0 \d+\r\n(\d+)\r\nEND\r\n$/.exec(answer) ?? [];
      return Number(body);
    });
    expect(bodies.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, n) => n));
    expect(await client.take("q")).toBeUndefined();
    end(waiters);
    await server.stop();
  });

  test("give up after their time, all", async () => {
    const server = await startWith("q");
    const waiters = await crowd(server, count, () => "get q/t=500\r\n");
    await eventually("all to give up", () =>
      waiters.every(({ answer }) => answer === "END\r\n") ? true : undefined,
    );
    const client = await server.connect();
    await client.put("q", "x");
    expect(await client.take("q")).toBe("x");
    end(waiters);
    await server.stop();
  });

  test("may all go at once: no message goes with them", async () => {
    const server = await startWith("q");
    const waiters = await crowd(server, count, () => "get q/t=1000000\r\n");
    await waiting(server, "q", count);
    for (const [n, { socket }] of waiters.entries()) {
      if (n % 2) socket.terminate();
      else socket.end();
    }
    const client = await server.connect();
    await eventually("all to be gone", async () => {
      client.send("stats queue q\r\n");
      return (await client.until("END\r\n")).includes("STAT waiters 0\r\n") ? true : undefined;
    });
    for (let n = 0; n < 10; n++) await client.put("q", `${n}`);
    client.send("get q q q q q q q q q q\r\n");
    expect((await client.messages()).map(({ body }) => body).join("")).toBe("0123456789");
    await server.stop();
  });
});

test("each wakes the next, 8,000 times", async () => {
  const count = 8000;
  const server = await startWith(`q${count - 1}`, "-L", "1", "-B", "2000");
  // More than -L gathers, so that each set is a transaction of its own.
  const body = "x".repeat(1500);
  const waiters = await crowd(server, count, (n) =>
    Buffer.concat([Buffer.from(`get q${n}/t=1000000\r\n`), set(`q${n + 1}`, body)]),
  );
  await waiting(server, `q${count - 1}`, 1);
  const client = await server.connect();
  await client.put("q0", body);
  await eventually("the last one to be woken", () =>
    waiters.at(-1)?.answer.endsWith("STORED\r\n") ? true : undefined,
  );
  for (const { answer } of waiters) expect(answer.endsWith("\r\nEND\r\nSTORED\r\n")).toBe(true);
  expect(await client.take(`q${count}`)).toBe(body);
  expect(server.stderr()).not.toContain("error");
  end(waiters);
  await server.stop();
});
