/** Messages that go from one queue to another, or are done when another is set: both in one commit, or neither. */
import { beforeAll, describe, expect, test } from "bun:test";

import { number, opcodes } from "../protocol/binary/packet.ts";
import { type Client, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { type Server, start, suite } from "./harness.ts";
import { binaryClient } from "./packets.ts";
import { waiter } from "./waiter.ts";

suite();

let server: Server;
let client: Client;
beforeAll(async () => {
  server = await start([
    ...["--queue", "small:max-messages=1"],
    ...["--queue", "work:deliveries=1"],
  ]);
  client = await server.connect();
});

const LONG = 1_000_000;

async function counts(queue: string, from = client): Promise<string> {
  from.send(`stats queue ${queue}\r\n`);
  const text = await from.until("END\r\n");
  const value = (name: string) => new RegExp(`STAT ${name} (\\d+)`).exec(text)?.[1] ?? "-";
  return `${value("sets")}/${value("gets")} ${value("bytes")}`;
}

describe("to=", () => {
  test("takes the oldest message, and appends it there, with its flags", async () => {
    for (const body of ["1", "2"]) await client.put("a", body, 7);
    client.send("get a/to=b\r\n");
    expect(await client.messages()).toEqual([{ queue: "a/to=b", flags: 7, body: "1" }]);
    expect([await counts("a"), await counts("b")]).toEqual(["2/1 1", "1/0 1"]);
    client.send("get b\r\n");
    expect(await client.messages()).toEqual([{ queue: "b", flags: 7, body: "1" }]);
    expect(await client.take("empty/to=b")).toBeUndefined();
  });

  test("waits for a message, and wakes a client that waits for the target", async () => {
    const later = await waiter(server, `target/t=${LONG}`);
    const mover = await waiter(server, `source/t=${LONG}/to=target`);
    await client.put("source", "x");
    expect((await mover.messages())[0]?.body).toBe("x");
    expect((await later.messages())[0]?.body).toBe("x");
  });

  test("at a limit of the target nothing happens", async () => {
    await client.put("small", "full");
    await client.put("big", "x");
    expect(await client.ask("get big/to=small")).toBe(
      "SERVER_ERROR a limit of queue small is reached, and nothing was moved",
    );
    expect(await client.take("big/open")).toBe("x");
    expect(await client.ask("get big/close/to=small")).toStartWith("SERVER_ERROR a limit of");
    expect(await client.take("big/close/to=other")).toBeUndefined();
    expect(await client.take("other")).toBe("x");
    expect(await client.take("small")).toBe("full");
  });

  test("all brings back all dead letters, in portions", async () => {
    for (let n = 0; n < 300; n++) {
      await client.put("work", `${n}`);
      expect(await client.take("work/open")).toBe(`${n}`);
      expect(await client.take("work/abort")).toBeUndefined();
    }
    expect(await counts("work.dead")).toBe("300/0 790");
    client.send("get work.dead/all/to=work\r\nversion\r\n");
    expect(await client.line()).toBe("END");
    expect(await client.line()).toStartWith("VERSION");
    expect([await counts("work.dead"), await counts("work")]).toEqual(["300/300 0", "600/300 790"]);
    for (let n = 0; n < 300; n++) expect(await client.take("work")).toBe(`${n}`);
    client.send("get work/all/to=work\r\n");
    expect(await client.line()).toBe("END");
  });
});

describe("set closes another message in the same commit", () => {
  test("the open one", async () => {
    await client.put("in", "work");
    expect(await client.take("in/open")).toBe("work");
    client.send(set("out/close=in", "result"));
    await expectLines(client, ["STORED"]);
    expect([await counts("in"), await counts("out")]).toEqual(["1/1 0", "1/0 6"]);
    client.send(set("out/close=in", "again"));
    await expectLines(client, ["CLIENT_ERROR no message of in is open, nothing is stored"]);
    expect(await counts("out")).toBe("1/0 6");
  });

  test("a leased one, from any connection, once", async () => {
    await client.put("leased", "work");
    client.send(`gets leased/lease=${LONG}\r\n`);
    expect((await client.messages())[0]?.number).toBe(1);
    const other = await server.connect();
    other.send(Buffer.concat([set("done/done=leased:1", "1"), set("done/done=leased:1", "2")]));
    await expectLines(other, [
      "STORED",
      "CLIENT_ERROR no message of leased has that lease, nothing is stored",
    ]);
    expect([await counts("leased"), await counts("done")]).toEqual(["1/1 0", "1/0 1"]);
  });

  test("not stored at a limit, and the message stays open", async () => {
    await client.put("small", "full");
    await client.put("kept", "x");
    expect(await client.take("kept/open")).toBe("x");
    client.send(set("small/close=kept", "y"));
    await expectLines(client, ["NOT_STORED"]);
    expect(await client.take("small")).toBe("full");
    client.send(set("small/close=kept", "y"));
    await expectLines(client, ["STORED"]);
    expect(await client.take("small")).toBe("y");
  });

  test("with an id: a repeat closes its message, too, if it is still held", async () => {
    for (let n = 0; n < 2; n++) {
      await client.put("twice", "x");
      expect(await client.take("twice/open")).toBe("x");
      client.send(set("result/id=5/close=twice", "y"));
      await expectLines(client, ["STORED"]);
    }
    client.send(set("result/id=5/close=twice", "y"));
    await expectLines(client, ["STORED"]);
    expect([await counts("twice"), await counts("result")]).toEqual(["2/2 0", "1/0 1"]);
  });

  test("in meta and binary", async () => {
    for (const body of ["1", "2"]) await client.put("m", body);
    expect(await client.ask("mg m T100 v\r\nmn")).toBe("VA 1 c1");
    await client.until("MN\r\n");
    client.send("ms n/done=m:1 1\r\nx\r\n");
    expect(await client.line()).toBe("HD");
    const binary = await binaryClient(server);
    expect(await binary.get("m/open")).toMatchObject({ value: "2" });
    const parts = { key: "n/close=m", value: "y", extras: number(0) + number(0) };
    expect(await binary.ask(opcodes.set, parts)).toMatchObject({ status: 0, cas: 2 });
    expect(await binary.ask(opcodes.set, parts)).toMatchObject({ status: 4 });
    expect([await counts("m"), await counts("n")]).toEqual(["2/2 0", "2/0 2"]);
  });

  test.each([
    ["q/close=", "bad value in close=, the name of one queue is accepted"],
    ["q/close=a/done=b:1", "bad value in done=b:1, <queue>:<number> is accepted"],
    ["q/done=b", "bad value in done=b, <queue>:<number> is accepted"],
    ["q/done=b:0", "bad value in done=b:0, <queue>:<number> is accepted"],
  ])("%s is refused", async (key, problem) => {
    client.send(set(key, "delete q"));
    expect(await client.line()).toStartWith(`CLIENT_ERROR ${problem}`);
    await client.inStep();
  });
});

test("both or neither outlive kill -9", async () => {
  const first = await start();
  const user = await first.connect();
  for (let n = 0; n < 50; n++) await user.put("in", `${n}`);
  for (let n = 0; n < 20; n++) {
    expect(await user.take("in/open")).toBe(`${n}`);
    user.send(set("out/close=in", `${n}`));
    await expectLines(user, ["STORED"]);
  }
  expect(await user.take("in/open")).toBe("20");
  user.send(set("out/close=in", "20"));
  await first.kill9();
  const second = await start([], { home: first.home });
  const after = await second.connect();
  const out: string[] = [];
  for (let body = await after.take("out"); body !== undefined; body = await after.take("out")) {
    out.push(body);
  }
  expect([20, 21]).toContain(out.length);
  expect(await after.take("in")).toBe(`${out.length}`);
});

describe("all options of a set go together, in each dialect", () => {
  /** The answer to a set, in the words of the classic dialect. */
  type Setter = (key: string, body: string) => Promise<string>;
  type Dialect = { ask: Setter; take: (key: string) => Promise<string | undefined> };

  async function dialect(name: "text" | "meta" | "binary"): Promise<Dialect> {
    if (name === "binary") {
      const user = await binaryClient(server);
      const told: Record<number, string> = { 0: "STORED", 4: "CLIENT_ERROR", 5: "NOT_STORED" };
      const ask: Setter = async (key, value) => {
        const extras = number(0) + number(0);
        const { status } = await user.ask(opcodes.set, { key, value, extras });
        return told[status] ?? `status ${status}`;
      };
      return { ask, take: async (key) => (await user.get(key)).value };
    }
    const user = await server.connect();
    const told: Record<string, string> = { HD: "STORED", NS: "NOT_STORED" };
    const ask: Setter = async (key, body) => {
      if (name === "text") user.send(set(key, body));
      else user.send(`ms ${key} ${body.length}\r\n${body}\r\n`);
      const [word = ""] = (await user.line()).split(" ");
      return told[word] ?? word;
    };
    return { ask, take: (key) => user.take(key) };
  }

  const CASES = (["text", "meta", "binary"] as const).flatMap((name) =>
    (["close", "done"] as const).map((how) => [name, how] as const),
  );

  test.each(CASES)("%s, %s=", async (name, how) => {
    const { take, ask } = await dialect(name);
    const [source, out] = [`in-${name}-${how}`, `out-${name}-${how}`];
    const hold = async (body: string, n: number): Promise<string> => {
      await client.put(source, body);
      if (how === "close") expect(await take(`${source}/open`)).toBe(body);
      else expect(await client.take(`${source}/lease=${LONG}`)).toBe(body);
      return how === "close" ? `close=${source}` : `done=${source}:${n}`;
    };
    const first = await hold("1", 1);
    expect(await ask(`${out}/id=a/delay=${LONG}/${first}`, "x")).toBe("STORED");
    expect([await counts(source), await counts(out)]).toEqual(["1/1 0", "1/0 1"]);
    // The source is held no longer: a repeat is stored all the same, and another id is not.
    expect(await ask(`${out}/${first}/delay=0/id=a`, "x")).toBe("STORED");
    expect(await ask(`${out}/${first}/id=b`, "x")).toBe("CLIENT_ERROR");
    const second = await hold("2", 2);
    expect(await ask(`${out}/id=a/${second}`, "x")).toBe("STORED");
    expect([await counts(source), await counts(out)]).toEqual(["2/2 0", "1/0 1"]);
    // Refused at a limit, it leaves no id, and the source stays held.
    await client.put("small", "full");
    const third = await hold("3", 3);
    for (let n = 0; n < 2; n++) {
      expect(await ask(`small/id=${name}-${how}/${third}`, "x")).toBe("NOT_STORED");
    }
    expect(await client.take("small")).toBe("full");
    expect(await ask(`small/id=${name}-${how}/${third}`, "x")).toBe("STORED");
    expect([await counts(source), await client.take("small")]).toEqual(["3/3 0", "x"]);
    expect(await client.take(out)).toBeUndefined();
  });
});

test("a repeat that closes its message outlives kill -9 with it, or neither does", async () => {
  const first = await start();
  const user = await first.connect();
  for (const body of ["1", "2", "3"]) await user.put("in", body);
  expect(await user.take("in/open")).toBe("1");
  user.send(set("out/id=a/close=in", "x"));
  await expectLines(user, ["STORED"]);
  expect(await user.take("in/open")).toBe("2");
  user.send(set("out/id=a/close=in", "x"));
  await expectLines(user, ["STORED"]);
  expect(await user.take("in/open")).toBe("3");
  await first.kill9();
  const second = await start([], { home: first.home });
  const after = await second.connect();
  after.send(set("out/id=a", "x"));
  await expectLines(after, ["STORED"]);
  expect([await counts("in", after), await counts("out", after)]).toEqual(["3/2 1", "1/0 1"]);
  expect(await after.take("in")).toBe("3");
});

test.each([
  ["a/to=", "bad value in to=, the name of a queue is accepted"],
  ["a/all", "option all goes with to= only"],
  ["a/open/to=b", "option to= does not go with open"],
  ["a/abort/to=b", "option abort does not go with to="],
  ["a/all/to=b c", "option all is allowed with a single key only"],
])("get %s is refused", async (key, problem) => {
  expect(await client.ask(`get ${key}`)).toBe(`CLIENT_ERROR ${problem}`);
});
