/** `--top`: the queues on a terminal, and in lines where there is none. */
import { expect, test } from "bun:test";
import { join } from "node:path";

import { builds, command, eventually, run, scratch, start, suite } from "./harness.ts";

suite();

/** `--top` on a terminal of its own. */
function openTerminal(flags: readonly string[], size: { cols: number; rows: number }) {
  let written = "";
  const decoder = new TextDecoder();
  const child = Bun.spawn([...command("source"), "--top", ...flags], {
    terminal: {
      ...size,
      data: (_, data) => void (written += decoder.decode(data, { stream: true })),
    },
  });
  /** The lines of the last whole picture. */
  function lines(): string[] {
    const pictures = written.split("\x1b[H").slice(1);
    const last = pictures.findLast((picture) => picture.includes("\x1b[J")) ?? "";
    const text = last.slice(0, last.indexOf("\x1b[J")).replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "");
    return text.split("\r\n");
  }
  return {
    child,
    written: () => written,
    lines,
    /** The names, from top to bottom. */
    names: () =>
      lines()
        .slice(2, -1)
        .map((line) => line.trim().split(/ +/).at(-1) ?? "")
        .filter((name) => name !== ""),
    type: (keys: string) => void child.terminal?.write(keys),
  };
}

/** Waits until a picture is as it should be. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  await eventually(what, () => (isSo() ? true : undefined));
}

test.each(builds)("it prints the queues once where there is no terminal (%s)", async (build) => {
  const server = await start();
  const client = await server.connect();
  for (let i = 0; i < 3; i++) await client.put("jobs", "x".repeat(1000));
  await client.put("caf\xc3\xa9", "x");
  await client.put("\x1b[31m\xe2\x80\xaeevil\xff", "x");
  await client.take("caf\xc3\xa9");
  client.send("get jobs/open\r\n");
  await client.messages();
  const waiter = await server.connect();
  waiter.send("get caf\xc3\xa9/t=60000\r\n");
  await eventually("a client that waits", async () =>
    (await client.ask("stats queue caf\xc3\xa9")).includes("STAT waiters 1") ? true : undefined,
  );
  const { code, stdout, stderr } = await run(
    ["--top", "-l", "127.0.0.1", "-p", String(server.port)],
    { build },
  );
  expect([code, stderr]).toEqual([0, ""]);
  const [head = "", titles = "", ...lines] = stdout.split("\n");
  expect(head).toMatch(
    /^memcacheq \S+ at 127\.0\.0\.1:\d+, up \d+s, 3 connections, 3 queues, 4 messages$/,
  );
  expect(titles.trim().split(/ +/)).toEqual([
    "Messages",
    "In/s",
    "Out/s",
    "Age",
    "Waiting",
    "Open",
    "Size",
    "Name",
  ]);
  expect(
    lines.map((line) =>
      line
        .trim()
        .replace(/ \d+s /, " - ")
        .split(/ +/),
    ),
  ).toEqual([
    ["3", "0", "0", "-", "0", "1", "2.9K", "jobs"],
    ["1", "0", "0", "-", "0", "0", "1", "<U+001B>[31mâ<U+0080>®evilÿ", "(latin1)"],
    ["0", "0", "0", "-", "1", "0", "0", "café"],
    [""],
  ]);
  await server.stop();
});

test("a server that cannot be asked is an error in words", async () => {
  const socket = join(scratch(), "mq.sock");
  const { code, stdout, stderr } = await run(["--top", "-s", socket]);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toStartWith(`memcacheq: --top: cannot connect to ${socket}: `);
});

test("on a terminal it follows the queues, sorts by key, and leaves the terminal as it was", async () => {
  const server = await start();
  const client = await server.connect();
  await client.put("a", "x".repeat(500));
  for (let i = 0; i < 3; i++) await client.put("b", "x");
  for (let i = 0; i < 2; i++) await client.put("c", "x");
  const flags = ["-l", "127.0.0.1", "-p", String(server.port)];
  const top = openTerminal(flags, { cols: 80, rows: 12 });
  await until("the fullest queue first", () => top.names().join() === "b,c,a");
  expect(top.lines()).toHaveLength(12);
  expect(top.lines()[1]).toContain("↓Messages");
  expect(top.lines().every((line) => Bun.stringWidth(line) <= 80)).toBe(true);
  top.type("s");
  await until("the largest first", () => top.names()[0] === "a");
  top.type("n");
  await until("by name", () => top.names().join() === "a,b,c");
  top.type("n");
  await until("turned around", () => top.names().join() === "c,b,a");
  await client.put("d", "x");
  await until("a queue that came", () => top.names().join() === "d,c,b,a");
  top.type("q");
  expect(await top.child.exited).toBe(0);
  expect(top.written()).toEndWith("\x1b[?1049l");
  await server.stop();
});

test("it scrolls, and fits the terminal after that has another size", async () => {
  const server = await start();
  const client = await server.connect();
  const names = Array.from({ length: 30 }, (_, i) => `queue-${i + 10}`);
  for (const name of names) await client.put(name, "x");
  const flags = ["-l", "127.0.0.1", "-p", String(server.port)];
  const top = openTerminal(flags, { cols: 80, rows: 13 });
  await until("a page", () => top.names().length === 10);
  expect(top.names()).toEqual(names.slice(0, 10));
  top.type("\x1b[B\x1b[B");
  await until("two lines further", () => top.names()[0] === "queue-12");
  top.type("\x1b[6~\x1b[6~\x1b[6~");
  await until("the end", () => top.names().at(-1) === "queue-39");
  expect(top.names()).toHaveLength(10);
  top.child.terminal?.resize(40, 8);
  await until("fewer lines", () => top.lines().length === 8);
  expect(top.lines().every((line) => Bun.stringWidth(line) <= 40)).toBe(true);
  top.type("\x03");
  expect(await top.child.exited).toBe(0);
  await server.stop();
});

test("it tells when the server is gone, and goes on when it is back", async () => {
  const socket = join(scratch(), "mq.sock");
  const first = await start([], { socket });
  const client = await first.connect();
  await client.put("jobs", "x");
  const top = openTerminal(["-s", socket], { cols: 100, rows: 10 });
  await until("the queue", () => top.names().join() === "jobs");
  await first.stop();
  await until(
    "that it is gone",
    () => top.lines()[0]?.includes(socket) === true && !top.lines()[0]?.startsWith("memcacheq"),
  );
  expect(top.names()).toEqual(["jobs"]);
  const second = await start([], { socket, home: first.home });
  await until("that it is back", () => top.lines()[0]?.startsWith("memcacheq") === true);
  top.child.kill("SIGTERM");
  expect(await top.child.exited).toBe(0);
  expect(top.written()).toEndWith("\x1b[?1049l");
  await second.stop();
});
