/** A clean stop answers what was received, whatever the connection is in the middle of. */
import { describe, expect, test } from "bun:test";

import { version } from "../../package.json";
import { type Client, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { start, suite } from "./harness.ts";
import { beginWaiting, waiter } from "./waiter.ts";

suite();

const MB = 1024 * 1024;

describe.each(["SIGTERM", "SIGINT"] as const)("%s", (signal) => {
  test("what is behind a wait is answered behind its END", async () => {
    const server = await start();
    const waiting = await server.connect();
    const late = set("q", "late").toString();
    const behind = `version\r\nget q/t=60000/peek\r\n${late}get q/open\r\n`;
    await beginWaiting(waiting, "q/t=60000", behind);
    const exit = server.stop(signal);
    const answers = ["END", `VERSION ${version}`, "END", "STORED", "VALUE q/open 0 4", "late"];
    expect(await waiting.rest()).toBe([...answers, "END", ""].join("\r\n"));
    expect(await exit).toMatchObject({ code: 0 });

    const second = await start([], { home: server.home });
    const client = await second.connect();
    client.send("stats queue\r\n");
    await expectLines(client, ["STAT q 1/0", "END"]);
    expect(await client.take("q")).toBe("late");
    await second.stop();
  });

  test("a large get is answered to its end", async () => {
    const count = 24;
    const server = await start(["-N", "-B", `${MB}`, "-m", "4"]);
    const [reader, other] = [await server.connect(), await server.connect()];
    const body = (n: number) => Buffer.alloc(MB, `${n};`);
    for (let n = 0; n < count; n++) await other.put("q", body(n), n);
    reader.send(`get${" q".repeat(count)}\r\nversion\r\n`);
    // It is in the middle of it when the first message is here.
    expect(await reader.line()).toBe(`VALUE q 0 ${MB}`);
    const exit = server.stop(signal);
    for (let n = 0; n < count; n++) {
      if (n > 0) expect(await reader.line()).toBe(`VALUE q ${n} ${MB}`);
      expect((await reader.read(MB)).equals(body(n))).toBe(true);
      expect(await reader.line()).toBe("");
    }
    expect(await reader.rest()).toBe(`END\r\nVERSION ${version}\r\n`);
    expect(await exit).toMatchObject({ code: 0 });
  });

  test("those who wait and have messages open get END, and the messages are kept", async () => {
    const server = await start();
    const client = await server.connect();
    const holders = await Promise.all([1, 2, 3].map(() => server.connect()));
    for (const n of [1, 2, 3, 4]) await client.put("q", `${n}`);
    for (const [n, holder] of holders.entries()) {
      expect(await holder.take("q/open")).toBe(`${n + 1}`);
      await beginWaiting(holder, "other/t=60000");
    }
    const exit = server.stop(signal);
    for (const holder of holders) expect(await holder.rest()).toBe("END\r\n");
    expect(await exit).toMatchObject({ code: 0 });
    const second = await start([], { home: server.home });
    const reader = await second.connect();
    reader.send("get q q q q q\r\n");
    expect((await reader.messages()).map(({ body }) => body)).toEqual(["1", "2", "3", "4"]);
    await second.stop();
  });

  test("what goes back on the way goes to nobody who is being sent away", async () => {
    const server = await start();
    const client = await server.connect();
    const holder = await server.connect();
    await client.put("q", "x");
    expect(await holder.take("q/open")).toBe("x");
    const waiting: Client[] = [];
    for (let n = 0; n < 10; n++) waiting.push(await waiter(server, "q/t=60000"));
    const exit = server.stop(signal);
    const answers = await Promise.all(waiting.map((each) => each.rest()));
    expect(await exit).toMatchObject({ code: 0 });
    const served = answers.filter((answer) => answer === "VALUE q/t=60000 0 1\r\nx\r\nEND\r\n");
    const unserved = answers.filter((answer) => answer === "END\r\n");
    expect(served.length + unserved.length).toBe(10);
    const second = await start([], { home: server.home });
    const left = await (await second.connect()).take("q");
    expect(left === undefined ? 0 : 1).toBe(1 - served.length);
    await second.stop();
  });
});
