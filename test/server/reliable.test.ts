/** Open messages of every size, after every kind of end, and what they cost. */
import { Database } from "bun:sqlite";
import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";

import { type Client, set } from "./client.ts";
import { untilConnected } from "./connected.ts";
import { expectLines, talk } from "./conversation.ts";
import { isShared, memoryOf, type Server, start, suite } from "./harness.ts";
import { waiter } from "./waiter.ts";

suite();

const KB = 1024;
const MB = 1024 * KB;
const modes: readonly (readonly [name: string, flags: readonly string[]])[] = [
  ["durable", []],
  ["-N", ["-N"]],
];

/** A body that depends on its number. */
const body = (n: number, size: number) => Buffer.alloc(size, `${n};`).toString("latin1");

async function counters(client: Client): Promise<string[]> {
  client.send("stats queue\r\n");
  return (await client.until("END\r\n")).split("\r\n").slice(0, -2);
}

async function bodies(client: Client, queue: string): Promise<string[]> {
  const found: string[] = [];
  for (;;) {
    client.send(`get${` ${queue}`.repeat(50)}\r\n`);
    const some = await client.messages();
    found.push(...some.map((message) => message.body));
    if (some.length < 50) return found;
  }
}

describe("in one write", () => {
  let client: Client;
  beforeAll(async () => {
    client = await (await start()).connect();
  });

  test("set, open, abort, open, close", async () => {
    const text = `
      > set q 5 0 3
      > one
      > get q/open
      > get q/abort
      > get q/peek
      > get q/open
      > stats queue
      > get q/close
      > stats queue
      > get q
      < STORED
      < VALUE q/open 5 3
      < one
      < END
      < END
      < VALUE q/peek 5 3
      < one
      < END
      < VALUE q/open 5 3
      < one
      < END
      < STAT q 1/0
      < END
      < END
      < STAT q 1/1
      < END
      < END
      > delete q
      < DELETED`;
    for (let round = 0; round < 3; round++) await talk(client, text);
  });

  test("an abort goes before what was set meanwhile, also by the same write", async () => {
    await talk(
      client,
      `> set q 0 0 1
       > 1
       > get q/open
       > set q 0 0 1
       > 2
       > get q
       > set q 0 0 1
       > 3
       > get q/abort
       > gets q q q
       < STORED
       < VALUE q/open 0 1
       < 1
       < END
       < STORED
       < VALUE q 0 1
       < 2
       < END
       < STORED
       < END
       < VALUE q 0 1 1
       < 1
       < VALUE q 0 1 3
       < 3
       < END
       > delete q
       < DELETED`,
    );
  });

  test("keys with options beside keys without, each as it was asked for", async () => {
    await talk(
      client,
      `> set a 1 0 1
       > 1
       > set a 2 0 1
       > 2
       > set b 3 0 1
       > 3
       < STORED
       < STORED
       < STORED
       > gets a/open none/open b/peek a b/close/open a/peek
       < VALUE a/open 1 1 1
       < 1
       < VALUE b/peek 3 1 1
       < 3
       < VALUE a 2 1 2
       < 2
       < VALUE b/close/open 3 1 1
       < 3
       < END
       > get b/peek a/open
       < CLIENT_ERROR a message of a is open already
       > get b/abort a/close b
       < VALUE b 3 1
       < 3
       < END
       > stats queue
       < STAT a 2/2
       < STAT b 1/1
       < END
       > delete a
       < DELETED
       > delete b
       < DELETED`,
    );
  });

  test("a message of a new queue can be opened beside one of the deleted queue", async () => {
    await talk(
      client,
      `> set q 0 0 3
       > old
       > get q/open
       > delete q
       > set q 0 0 3
       > new
       > get q/open
       > get q/open
       > get q/abort
       > get q/abort
       > gets q q
       < STORED
       < VALUE q/open 0 3
       < old
       < END
       < DELETED
       < STORED
       < VALUE q/open 0 3
       < new
       < END
       < CLIENT_ERROR a message of q is open already
       < END
       < END
       < VALUE q 0 3 1
       < new
       < END
       > delete q
       < DELETED`,
    );
  });

  test("a name of any bytes is repeated with its options", async () => {
    const key = `\x80\xff\x01=t/close/t=0/open`;
    client.send(`set \x80\xff\x01=t 7 0 1\r\nx\r\nget ${key}\r\nget \x80\xff\x01=t/close\r\n`);
    await expectLines(client, ["STORED", `VALUE ${key} 7 1`, "x", "END", "END"]);
  });
});

test("a set that is opened, and its client gone, is there for others", async () => {
  const server = await start();
  const client = await server.connect();
  for (let n = 0; n < 10; n++) {
    const holder = await server.connect();
    holder.send(`${set("q", `${n}`).toString()}get q/open\r\n`);
    await expectLines(holder, ["STORED", "VALUE q/open 0 1", `${n}`, "END"]);
    holder.reset();
    await untilConnected(client, 1);
    expect(await client.take("q")).toBe(`${n}`);
  }
  expect(await counters(client)).toEqual(["STAT q 10/10"]);
  await server.stop();
});

describe.each(modes)("sizes, -m 1, %s", (_name, flags) => {
  const sizes = [0, 1, 16 * KB - 1, 16 * KB, 16 * KB + 1, 64 * KB, 300 * KB, MB, 2 * MB];
  let server: Server;
  let client: Client;
  beforeAll(async () => {
    server = await start(["-m", "1", "-B", `${2 * MB}`, ...flags]);
    client = await server.connect();
  });

  /** More than memory holds goes by. */
  async function pressure(): Promise<void> {
    for (let n = 0; n < 4; n++) await client.put("other", body(n, MB));
    for (let n = 0; n < 4; n++) expect(await client.take("other")).toBe(body(n, MB));
  }

  test.each(sizes)("%d bytes come back as they were", async (size) => {
    await client.put("q", body(size, size), size);
    await client.put("q", "younger");
    for (const last of ["abort", "reset", "end"] as const) {
      const holder = await server.connect();
      holder.send("gets q/open\r\n");
      expect(await holder.messages()).toMatchObject([{ flags: size, body: body(size, size) }]);
      await pressure();
      if (last === "abort") expect(await holder.take("q/abort")).toBeUndefined();
      else await holder[last]();
      if (last === "abort") await holder.end();
      await untilConnected(client, 1);
    }
    await pressure();
    client.send("get q/peek q q/peek q q\r\n");
    const found = await client.messages();
    const expected = [body(size, size), body(size, size), "younger", "younger"];
    expect(found.map((message) => message.body)).toEqual(expected);
    expect(found[0]?.flags).toBe(size);
  });

  test("many at once, closed and put back by turns", async () => {
    const holders = await Promise.all(sizes.map(() => server.connect()));
    for (const [n, size] of sizes.entries()) await client.put("many", body(n, size), n);
    for (const [n, holder] of holders.entries()) {
      expect(await holder.take("many/open")).toBe(body(n, sizes[n] ?? 0));
    }
    await pressure();
    for (const [n, holder] of holders.entries()) {
      if (n % 3 === 0) expect(await holder.take("many/close")).toBeUndefined();
      else if (n % 3 === 1) expect(await holder.take("many/abort")).toBeUndefined();
      await holder.end();
    }
    await untilConnected(client, 1);
    const left = [...sizes.entries()].filter(([n]) => n % 3 > 0);
    expect(await bodies(client, "many")).toEqual(left.map(([n, size]) => body(n, size)));
    expect(await counters(client)).toContain(`STAT many ${sizes.length}/${sizes.length}`);
  });
});

test("put back in any order, they come in the order in which they were set", async () => {
  const server = await start(["-m", "1"]);
  const client = await server.connect();
  const count = 60;
  for (let n = 0; n < count + 5; n++) await client.put("q", `${n}`);
  const holders = await Promise.all(Array.from({ length: count }, () => server.connect()));
  for (const [n, holder] of holders.entries()) expect(await holder.take("q/open")).toBe(`${n}`);
  for (let n = 0; n < count; n++) {
    const holder = holders[(n * 23) % count] as Client;
    const how = (["abort", "reset", "end", "quit", "shutdown"] as const)[n % 5];
    if (how === "abort") expect(await holder.take("q/abort")).toBeUndefined();
    else if (how === "quit") holder.send("quit\r\n");
    else await holder[how ?? "reset"]();
  }
  await untilConnected(client, 1 + count / 5);
  const all = Array.from({ length: count + 5 }, (_, n) => `${n}`);
  expect(await bodies(client, "q")).toEqual(all);
  await server.stop();
});

test.each(["get q", "get q/t=60000", "get q/open"])(
  "what comes back is for who waits, not for a %s that arrives in the same moment",
  async (command) => {
    const server = await start();
    const [client, late] = [await server.connect(), await server.connect()];
    await late.inStep();
    for (let n = 0; n < 5; n++) {
      const holder = await server.connect();
      await client.put("q", "back");
      expect(await holder.take("q/open")).toBe("back");
      const waiting = await waiter(server, "q/t=60000");
      // Stopped, the server finds the end of the one and the command of the other together.
      process.kill(server.pid, "SIGSTOP");
      holder.reset();
      late.send(`${command}\r\n`);
      process.kill(server.pid, "SIGCONT");
      await untilConnected(client, 3);
      await client.put("q", "new");
      expect((await waiting.messages())[0]?.body).toBe("back");
      const [message] = await late.messages();
      // It may have come before the other was gone.
      if (message === undefined) expect(await client.take("q")).toBe("new");
      else expect(message.body).toBe("new");
      if (command.endsWith("open")) expect(await late.take("q/close")).toBeUndefined();
      await waiting.end();
      await untilConnected(client, 2);
    }
    await server.stop();
  },
);

test("a client that is killed gives its message back", async () => {
  const server = await start();
  const client = await server.connect();
  await client.put("q", "1");
  await client.put("q", "2");
  const script = `
    await Bun.connect({ hostname: "127.0.0.1", port: ${server.port}, socket: {
      open: (socket) => void socket.write("get q/open\\r\\n"),
      data: (_, chunk) => void process.stdout.write(chunk),
    } });`;
  const holder = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  let answer = "";
  for await (const chunk of holder.stdout) {
    answer += Buffer.from(chunk).toString();
    if (answer.endsWith("END\r\n")) break;
  }
  expect(answer).toBe("VALUE q/open 0 1\r\n1\r\nEND\r\n");
  expect(await client.take("q/peek")).toBe("2");
  holder.kill("SIGKILL");
  await holder.exited;
  await untilConnected(client, 1);
  expect(await bodies(client, "q")).toEqual(["1", "2"]);
  await server.stop();
});

describe.each(modes)("%s", (_name, flags) => {
  /** Opens the messages, each by a connection of its own. */
  async function openAll(
    server: Server,
    expected: readonly number[],
  ): Promise<Map<number, Client>> {
    const holders = new Map<number, Client>();
    for (const n of expected) {
      const holder = await server.connect();
      expect(await holder.take("q/open")).toBe(`${n}`);
      holders.set(n, holder);
    }
    return holders;
  }

  async function close(holders: Map<number, Client>, numbers: readonly number[]): Promise<void> {
    for (const n of numbers) expect(await holders.get(n)?.take("q/close")).toBeUndefined();
  }

  test.each(["stop", "kill9"] as const)("%s: what was open comes first, in order", async (how) => {
    const first = await start([...flags, "-m", "1"]);
    const client = await first.connect();
    for (let n = 0; n < 12; n++) await client.put("q", `${n}`);
    const holders = await openAll(first, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    await close(holders, [2, 8, 4, 7, 5]);
    expect(await holders.get(1)?.take("q/abort")).toBeUndefined();
    await first[how]();

    const second = await start([...flags, "-m", "1"], { home: first.home });
    expect(await counters(await second.connect())).toEqual(["STAT q 12/5"]);
    await close(await openAll(second, [0, 1, 3, 6, 9, 10, 11]), [10, 6]);
    await second[how]();

    const third = await start([...flags], { home: first.home });
    const reader = await third.connect();
    expect(await counters(reader)).toEqual(["STAT q 12/7"]);
    expect(await reader.take("q/peek")).toBe("0");
    expect(await bodies(reader, "q")).toEqual(["0", "1", "3", "9", "11"]);
    await third[how]();

    const fourth = await start([...flags], { home: first.home });
    const last = await fourth.connect();
    expect(await last.take("q")).toBeUndefined();
    expect(await counters(last)).toEqual(["STAT q 12/12"]);
    await fourth.stop();
  });

  test("what is closed is gone, after kill -9 right behind the answer", async () => {
    let home: string | undefined;
    for (let n = 0; n < 5; n++) {
      const server = await start([...flags], home === undefined ? {} : { home });
      const client = await server.connect();
      if (n === 0) for (let k = 0; k < 6; k++) await client.put("q", `${k}`);
      expect(await client.take("q/open")).toBe(`${n}`);
      // The last command of this life: nothing else makes it last.
      expect(await client.take("q/close")).toBeUndefined();
      await server.kill9();
      home = server.home;
    }
    const server = await start([...flags], home === undefined ? {} : { home });
    const client = await server.connect();
    expect(await counters(client)).toEqual(["STAT q 6/5"]);
    expect(await bodies(client, "q")).toEqual(["5"]);
    await server.stop();
  });
});

// It is about the file.
if (!isShared) {
  test("opening and peeking write nothing to disk; closing and putting back do", async () => {
    const server = await start(["-m", "1", "-B", `${MB}`, "-T", "0", "-C", "0"]);
    const client = await server.connect();
    for (const size of [10, 1000, 20_000, MB]) await client.put("q", body(size, size));
    using database = new Database(join(server.home, "memcacheq.db"), { readonly: true });
    const log = Bun.file(join(server.home, "memcacheq.db-wal"));
    const disk = async () => ({
      log: new Bun.CryptoHasher("sha1").update(await log.bytes()).digest("hex"),
      version: database.query("PRAGMA data_version").get(),
    });

    const before = await disk();
    const holder = await server.connect();
    expect(await client.take("q/open")).toBe(body(10, 10));
    expect(await holder.take("q/open")).toBe(body(1000, 1000));
    expect(await client.take("q/peek")).toBe(body(20_000, 20_000));
    client.send("stats queue q\r\n");
    expect(await client.until("END\r\n")).toContain("STAT open 2\r\n");
    expect(await disk()).toEqual(before);
    // What comes back was delivered once more.
    holder.reset();
    await untilConnected(client, 1);
    client.send("mg q/peek v h\r\n");
    expect(await client.line()).toBe("VA 1000 h1");
    await client.read(1002);
    const released = await disk();
    expect(released).not.toEqual(before);
    expect(await client.take("q/close")).toBeUndefined();
    expect(await disk()).not.toEqual(released);
    await server.stop();
  });
}

// It is about the file.
if (!isShared) {
  describe("another process's lock on the file", () => {
    let server: Server;
    let client: Client;
    beforeEach(async () => {
      server = await start(["-D", "0"]);
      client = await server.connect();
    });

    /** Does something while nothing can be committed. */
    async function locked(work: () => Promise<void>): Promise<void> {
      using other = new Database(join(server.home, "memcacheq.db"));
      other.run("BEGIN IMMEDIATE");
      await work();
      other.run("ROLLBACK");
    }

    const failure = expect.stringMatching(/^SERVER_ERROR \S/);

    test("opening goes on; abort has the error, and the message is back all the same", async () => {
      await client.put("q", "1");
      await locked(async () => {
        expect(await client.take("q/open")).toBe("1");
        expect(await client.ask("get q/abort")).toEqual(failure);
        expect(await client.take("q/peek")).toBe("1");
        expect(await client.take("q/open")).toBe("1");
      });
      expect(await client.take("q/close")).toBeUndefined();
      expect(await counters(client)).toEqual(["STAT q 1/1"]);
    });

    test.each(["close", "close/open", "close/t=20/open", "close/t=60000/open"])(
      "%s fails, and the message goes back",
      async (options) => {
        await client.put("q", "1");
        expect(await client.take("q/open")).toBe("1");
        await locked(async () => {
          expect(await client.ask(`get q/${options}`)).toEqual(failure);
          await client.inStep();
        });
        expect(await client.take("q/open")).toBe("1");
        expect(await client.take("q/close")).toBeUndefined();
        expect(await client.take("q")).toBeUndefined();
      },
    );

    test("of what fails together, only what was opened before stays open", async () => {
      const other = await server.connect();
      for (const n of ["1", "2", "3"]) await client.put("r", n);
      expect(await other.take("r/open")).toBe("1");
      await locked(async () => {
        client.send("get r/open\r\nget r\r\nget r/close\r\n");
        for (let n = 0; n < 3; n++) expect(await client.line()).toEqual(failure);
      });
      client.send("stats queue r\r\n");
      expect(await client.until("END\r\n")).toContain("STAT open 1\r\n");
      expect(await client.take("r/open")).toBe("2");
      expect(await other.take("r/abort")).toBeUndefined();
      expect(await bodies(other, "r")).toEqual(["1", "3"]);
      expect(await client.take("r/close")).toBeUndefined();
      expect(await client.ask("delete r")).toBe("DELETED");
    });
  });
}

test("opening and deleting over and over takes no memory", async () => {
  const server = await start(["-N"]);
  const client = await server.connect();
  // Each is three turns of PostgreSQL.
  const rounds = isShared ? 50 : 5000;
  const work = async () => {
    client.send("set q 0 0 1\r\nx\r\nget q/open\r\ndelete q\r\n".repeat(rounds));
    const answer = "STORED\r\nVALUE q/open 0 1\r\nx\r\nEND\r\nDELETED\r\n";
    expect((await client.read(rounds * answer.length)).toString() === answer.repeat(rounds)).toBe(
      true,
    );
  };
  for (let n = 0; n < 4; n++) await work();
  const early = memoryOf(server.pid);
  for (let n = 0; n < 20; n++) await work();
  expect(memoryOf(server.pid) - early).toBeLessThan(40 * MB);
  await server.stop();
});
