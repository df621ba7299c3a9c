/** Clients that do what no client should, and clients beside them that see nothing of it. */
import { describe, expect, test } from "bun:test";

import { wellBehaved } from "../hostile/beside.ts";
import { type Idler, idler, idlers, LIMIT, peak } from "../hostile/memory.ts";
import { type Server, withServer } from "../hostile/server.ts";
import { suite } from "../torture/short.ts";
import { set } from "./client.ts";
import { statistic, untilConnected } from "./connected.ts";
import { eventually } from "./harness.ts";

suite();

const MB = 1024 * 1024;

/** Resolves when nobody else is connected. */
async function untilAlone(server: Server): Promise<void> {
  const client = await server.connect();
  await untilConnected(client, 1);
  await client.end();
}

test("200 that send a byte at a time are answered like anybody else", async () => {
  await withServer(["-N"], async (server) => {
    const endBeside = await wellBehaved(server);
    const slow = await Promise.all(Array.from({ length: 200 }, () => server.connect()));
    const request = (n: number) => `set slow${n} 7 0 5\r\nHello\r\nget slow${n}\r\n`;
    const longest = request(slow.length).length;
    for (let at = 0; at < longest; at++) {
      for (const [n, client] of slow.entries()) client.send(request(n).slice(at, at + 1));
      // Each byte is to arrive alone.
      await Promise.all([0, 1].map(async () => (await server.connect()).inStep()));
    }
    for (const [n, client] of slow.entries()) {
      expect(await client.until("END\r\n")).toBe(
        `STORED\r\nVALUE slow${n} 7 5\r\nHello\r\nEND\r\n`,
      );
    }
    expect(await endBeside()).toBeGreaterThan(0);
  });
});

describe("a client that goes in the middle", () => {
  const requests: readonly (readonly [title: string, text: string])[] = [
    ["of a line", "set half 0 0"],
    ["of a body", "set half 0 0 1000\r\nxxxx"],
    ["of a body in pieces", `set half 0 0 1000000\r\n${"x".repeat(500_000)}`],
    ["of what ends a body", "set half 0 0 4\r\nxxxx\r"],
    ["of a body that is thrown away", `set half 0 0 2000000\r\n${"x".repeat(500_000)}`],
    ["of a wait", "get half/t=1000000\r\n"],
    ["of a wait, with more behind it", `get half/t=1000000\r\n${"get half\r\n".repeat(1000)}`],
  ];

  test.each(requests)("%s leaves nothing behind", async (_title, text) => {
    await withServer(["-N", "-B", `${MB}`], async (server) => {
      const endBeside = await wellBehaved(server);
      for (let round = 0; round < 20; round++) {
        for (const way of ["reset", "end", "shutdown"] as const) {
          const client = await server.connect();
          client.send(text);
          if (way === "shutdown") {
            client.shutdown();
            await client.rest();
          }
          await client[way === "shutdown" ? "end" : way]();
        }
      }
      await endBeside();
      await untilAlone(server);
      const client = await server.connect();
      expect(await client.take("half")).toBeUndefined();
      await client.put("half", "whole");
      expect(await client.take("half")).toBe("whole");
    });
  });

  test("of answers takes no more than it was sent, and the order stays", async () => {
    await withServer(["-N", "-B", `${MB}`], async (server) => {
      const endBeside = await wellBehaved(server);
      const client = await server.connect();
      const count = 120;
      for (let n = 0; n < count; n++) await client.put("left", Buffer.alloc(MB, `${n};`), n);
      for (let round = 0; round < 15; round++) {
        const reader = await server.connect();
        reader.send("get left\r\n".repeat(count));
        await reader.read(MB / 2);
        await reader.reset();
      }
      await untilConnected(client, 3);
      const left: number[] = [];
      client.send("get left\r\n".repeat(count));
      for (let n = 0; n < count; n++) {
        for (const { flags, body } of await client.messages()) {
          left.push(flags);
          expect(body === Buffer.alloc(MB, `${flags};`).toString("latin1")).toBe(true);
        }
      }
      expect(left).toEqual(left.toSorted((a, b) => a - b));
      expect(left.at(-1)).toBe(count - 1);
      expect(new Set(left).size).toBe(left.length);
      await endBeside();
    });
  });

  test("of an open message's body gives it back", async () => {
    await withServer(["-N", "-B", `${8 * MB}`], async (server) => {
      const client = await server.connect();
      const body = Buffer.alloc(8 * MB, "open;");
      await client.put("work", body);
      for (let round = 0; round < 10; round++) {
        const worker = await server.connect();
        worker.send("get work/open\r\n");
        await worker.read(MB);
        await worker.reset();
        const got = await eventually("the message", () => client.take("work"));
        expect(got === body.toString("latin1")).toBe(true);
        await client.put("work", body);
      }
    });
  });
});

test("10,000 idle connections: who works beside them sees nothing of them", async () => {
  const count = 10_000;
  await withServer(["-N", "-c", `${count}`], async (server) => {
    const endBeside = await wellBehaved(server);
    const idle = await idlers(server, count - 2, () => Buffer.alloc(0));
    const late = await idler(server, Buffer.from("version\r\n"), true);
    expect(await late.read(1000)).toBe("ERROR Too many open connections\r\n");
    idle[0]?.end();
    idle[count - 3]?.end();
    const client = await eventually("a place", async () => {
      const next = await server.connect();
      return /^VERSION/.test(await next.ask("version").catch(() => "")) ? next : undefined;
    });
    expect(await endBeside()).toBeGreaterThan(1000);
    expect(peak(server)).toBeLessThan(LIMIT);
    for (const one of idle) one.end();
    await client.end();
    await untilAlone(server);
  });
});

test("10,000 that each leave the beginning of a request: many small shares are much, too", async () => {
  const count = 10_000;
  await withServer(["-N", "-c", `${count + 10}`, "-B", "65536"], async (server) => {
    const text = Buffer.concat([Buffer.from("set q 0 0 60000\r\n"), Buffer.alloc(15_000, "x")]);
    const many = await idlers(server, count, () => text, true);
    await Promise.all(many.map(({ sent }) => sent));
    const client = await server.connect();
    await client.inStep();
    await eventually("room for a small request in two parts", async () => {
      const request = set("q", Buffer.alloc(8000, "y"));
      client.send(request.subarray(0, 4000));
      const other = await server.connect();
      await other.inStep();
      await other.end();
      client.send(request.subarray(4000));
      return (await client.line()) === "STORED" ? true : undefined;
    });
    expect(peak(server)).toBeLessThan(LIMIT);
    for (const one of many) one.end();
  });
});

test("a storm of connections: all that come, go, and leave nothing behind", async () => {
  await withServer(["-N", "-c", "200"], async (server) => {
    const endBeside = await wellBehaved(server);
    const texts = [
      "",
      "version\r\n",
      "get q",
      "set q 0 0 5\r\nHe",
      "get q/t=100000\r\n",
      "quit\r\n",
    ];
    for (let round = 0; round < 40; round++) {
      const storm = await idlers(server, 300, (n) => Buffer.from(texts[n % texts.length] ?? ""));
      for (const one of storm) one.end();
    }
    expect(await endBeside()).toBeGreaterThan(0);
    await untilAlone(server);
    expect(peak(server)).toBeLessThan(LIMIT);
  });
});

test("a set of 1 MB that there is no memory for is refused in step, and stored when there is", async () => {
  await withServer(["-N", "-B", `${MB}`], async (server) => {
    const half = Buffer.concat([
      Buffer.from(`set half 0 0 ${MB}\r\n`),
      Buffer.alloc(MB - 100_000, "x"),
    ]);
    const first = await idlers(server, 80, () => half, true);
    const client = await server.connect();
    await eventually("all of it to arrive", async () =>
      (await statistic(client, "bytes_read")) >= first.length * half.length ? true : undefined,
    );
    const request = set("q", Buffer.alloc(MB, "delete q\r\n"));
    client.send(request.subarray(0, MB / 2));
    expect(await client.line()).toBe("SERVER_ERROR out of memory storing object");
    client.send(request.subarray(MB / 2));
    await client.inStep();
    await client.put("q", "small");
    for (const one of first) one.end();
    await untilConnected(client, 1);
    client.send(request);
    expect(await client.line()).toBe("STORED");
    expect(await client.take("q")).toBe("small");
  });
});

test("a line that there is no memory for is refused, and its connection closed", async () => {
  await withServer(["-N", "-B", "1024", "-c", "2000"], async (server) => {
    const line = Buffer.from(`get ${"x".repeat(60_000)}`);
    const lines = await idlers(server, 1500, () => line, true);
    await Promise.all(lines.map(({ sent }) => sent));
    expect(await lines[1499]?.read(1000)).toBe("SERVER_ERROR out of memory reading request\r\n");
    expect(peak(server)).toBeLessThan(LIMIT);
    for (const one of lines) one.end();
  });
});

test("clients that wait and send much meanwhile are not all kept waiting where memory is short", async () => {
  await withServer(["-N", "-c", "2000"], async (server) => {
    // Requests of all of them together are above the bound. Spaces make them long, and do not make them many.
    const text = Buffer.from(`get q/t=1000000\r\n${`get q${" ".repeat(40)}\r\n`.repeat(1600)}`);
    const expected = "END\r\n".repeat(1601);
    const waiting = await idlers(server, 1500, () => text, true);
    await Promise.all(waiting.map(({ sent }) => sent));
    // The requests of the others fit.
    const many = waiting.length - Math.floor((65 * MB) / text.length);
    expect(await firstAnswers(waiting, many, expected.length)).toEqual(
      Array.from({ length: many }, () => expected),
    );
    expect(peak(server)).toBeLessThan(LIMIT);
    for (const one of waiting) one.end();
  });
});

/** Answers of so many bytes of the clients that have theirs first. */
async function firstAnswers(clients: Idler[], many: number, bytes: number): Promise<string[]> {
  const answers: string[] = [];
  await new Promise<void>((enough) => {
    for (const client of clients) {
      void client.read(bytes).then((answer) => answers.push(answer) === many && enough());
    }
  });
  return answers.slice(0, many);
}
