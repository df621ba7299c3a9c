/** Requests and answers in datagrams with memcached's frame header. */
import { beforeAll, describe, expect, test } from "bun:test";

import { bytes, type Client, set } from "./client.ts";
import { freePort, type Server, start, suite } from "./harness.ts";

suite();

type Datagram = {
  id: number;
  sequence: number;
  total: number;
  reserved: number;
  size: number;
  body: string;
};
type Peer = Awaited<ReturnType<typeof peer>>;

function frame(id: number, body: string | Buffer, sequence = 0, total = 1): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(sequence, 2);
  header.writeUInt16BE(total, 4);
  return Buffer.concat([header, typeof body === "string" ? bytes(body) : body]);
}

/** A line with spaces at its end, so that it may have an answer with a body of so many bytes. */
function longer(line: string, body: number): string {
  return `${line}${" ".repeat(Math.ceil(body / 9))}\r\n`;
}

/** One UDP socket that speaks to the server, and what it received, in the order of arrival. */
async function peer(port: number) {
  const received: Datagram[] = [];
  let wake = (): void => {};
  const socket = await Bun.udpSocket({
    connect: { hostname: "127.0.0.1", port },
    socket: {
      data(_socket, data) {
        received.push({
          id: data.readUInt16BE(0),
          sequence: data.readUInt16BE(2),
          total: data.readUInt16BE(4),
          reserved: data.readUInt16BE(6),
          size: data.length,
          body: data.toString("latin1", 8),
        });
        wake();
      },
    },
  });

  async function datagram(): Promise<Datagram> {
    for (;;) {
      const next = received.shift();
      if (next) return next;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const late = setTimeout(() => reject(new Error("no datagram in 120 s")), 120_000);
      wake = resolve;
      await promise.finally(() => clearTimeout(late));
    }
  }

  /** All datagrams of the next answer, or the first few. */
  async function answer(most = Infinity): Promise<Datagram[]> {
    const parts = [await datagram()];
    const total = Math.min(most, parts[0]?.total ?? 1);
    for (let left = total - 1; left > 0; left--) parts.push(await datagram());
    return parts;
  }

  const send = (data: Buffer) => socket.send(data);

  return {
    send,
    answer,
    /** Sends one request, and reads the answer, which must fit into one datagram. */
    async ask(id: number, request: string | Buffer): Promise<string> {
      send(frame(id, request));
      const parts = await answer();
      const [first] = parts;
      expect(parts).toEqual([
        expect.objectContaining({
          id,
          sequence: 0,
          total: 1,
          reserved: 0,
          body: expect.any(String),
        }),
      ]);
      return first?.body ?? "";
    },
    /** Forgets what has come beyond what was asked for. */
    forget: () => void (received.length = 0),
    close: () => socket.close(),
  };
}

let server: Server;
let tcp: Client;
let udp: Peer;
let port: number;
beforeAll(async () => {
  port = freePort();
  server = await start(["-U", `${port}`, "-B", "65535", "-c", "100"]);
  await server.logged(new RegExp(`listening on udp 127\\.0\\.0\\.1:${port}$`, "m"));
  tcp = await server.connect();
  udp = await peer(port);
});

test("set, get, delete, version, each with its request's id", async () => {
  expect(await udp.ask(1, set("q", "Hello", 7))).toBe("STORED\r\n");
  expect(await udp.ask(0, "get q\r\n")).toBe("VALUE q 7 5\r\nHello\r\nEND\r\n");
  expect(await udp.ask(65_535, "get q\r\n")).toBe("END\r\n");
  expect(await udp.ask(258, "delete q\r\n")).toBe("DELETED\r\n");
  expect(await udp.ask(258, "delete q\r\n")).toBe("NOT_FOUND\r\n");
  expect(await udp.ask(3, "version\r\n")).toBe(`${await tcp.ask("version")}\r\n`);
  expect(await udp.ask(4, "get\r\n")).toBe("ERROR\r\n");
});

test("TCP and UDP see the same queues", async () => {
  expect(await udp.ask(1, set("both", "from udp"))).toBe("STORED\r\n");
  await tcp.put("both", "from tcp");
  expect(await tcp.take("both")).toBe("from udp");
  expect(await udp.ask(2, "get both\r\n")).toBe("VALUE both 0 8\r\nfrom tcp\r\nEND\r\n");
});

test("many requests at once, each answered with its own id, in order", async () => {
  for (let id = 100; id < 150; id++) udp.send(frame(id, set("many", `${id}`)));
  for (let id = 100; id < 150; id++) {
    expect(await udp.answer()).toEqual([expect.objectContaining({ id, body: "STORED\r\n" })]);
  }
  for (let id = 100; id < 150; id++) {
    expect(await udp.ask(id, "get many\r\n")).toBe(`VALUE many 0 3\r\n${id}\r\nEND\r\n`);
  }
});

test("two peers get their own answers", async () => {
  const other = await peer(port);
  await tcp.put("mine", "1");
  await tcp.put("yours", "2");
  udp.send(frame(9, "get mine\r\n"));
  other.send(frame(9, "get yours\r\n"));
  expect((await udp.answer())[0]?.body).toBe("VALUE mine 0 1\r\n1\r\nEND\r\n");
  expect((await other.answer())[0]?.body).toBe("VALUE yours 0 1\r\n2\r\nEND\r\n");
  other.close();
});

test("those who are gone when they are answered cost nobody an answer", async () => {
  for (let round = 0; round < 100; round++) {
    const gone = await Promise.all([peer(port), peer(port), peer(port)]);
    for (const other of gone) {
      other.send(frame(1, "get nothing\r\n"));
      other.send(frame(2, "get nothing\r\n"));
      other.close();
    }
    expect(await udp.ask(round, "get nothing\r\n")).toBe("END\r\n");
  }
  expect(server.stderr()).not.toContain("error");
});

test("several commands in one datagram, one answer", async () => {
  const request = Buffer.concat([
    set("s", "one"),
    set("s", "two"),
    bytes("get s s\r\nversion\r\n"),
  ]);
  expect(await udp.ask(5, request)).toBe(
    "STORED\r\nSTORED\r\nVALUE s 0 3\r\none\r\nVALUE s 0 3\r\ntwo\r\nEND\r\n" +
      `${await tcp.ask("version")}\r\n`,
  );
});

describe("a long answer", () => {
  test.each([
    ["one datagram exactly", 1400 - 8 - "VALUE long 3 1366\r\n\r\nEND\r\n".length, 1],
    ["one byte more", 1400 - 8 - "VALUE long 3 1366\r\n\r\nEND\r\n".length + 1, 2],
    ["64,000 bytes", 64_000, 46],
  ])("%s", async (_title, size, total) => {
    const body = Array.from({ length: size }, (_, at) => String.fromCharCode(at % 251)).join("");
    await tcp.put("long", body, 3);
    udp.send(frame(77, longer("get long", size)));
    const parts = await udp.answer();
    expect(parts.map(({ sequence }) => sequence)).toEqual(parts.map((_part, at) => at));
    for (const part of parts) {
      expect(part).toMatchObject({ id: 77, total, reserved: 0 });
      expect(part.size).toBeLessThanOrEqual(1400);
    }
    const text = parts.map((part) => part.body).join("");
    expect(text).toBe(`VALUE long 3 ${size}\r\n${body}\r\nEND\r\n`);
  });

  test("a message of 64,000 bytes in a request", async () => {
    const body = "0123456789".repeat(6400);
    expect(await udp.ask(8, set("large", body))).toBe("STORED\r\n");
    expect(await tcp.take("large")).toBe(body);
  });
});

describe("an answer is at most ten times as long as its request", () => {
  const tooLong = "SERVER_ERROR answer too long for UDP, pad the line\r\n";

  test("a get of a longer message is refused, and the message stays", async () => {
    const body = "x".repeat(1000);
    await tcp.put("big", body);
    for (let n = 0; n < 3; n++) expect(await udp.ask(80, "get big\r\n")).toBe(tooLong);
    expect(await udp.ask(81, "get big/peek\r\n")).toBe(tooLong);
    expect(await udp.ask(82, "gets nothing big\r\n")).toBe(tooLong);
    expect(await udp.ask(83, longer("get big", 1000))).toBe(
      `VALUE big 0 1000\r\n${body}\r\nEND\r\n`,
    );
  });

  test("a get of several ends where it would get longer", async () => {
    for (const body of ["1".repeat(70), "2".repeat(70), "3".repeat(70)]) await tcp.put("few", body);
    expect(await udp.ask(84, "get few few few\r\n")).toBe(
      `VALUE few 0 70\r\n${"1".repeat(70)}\r\nVALUE few 0 70\r\n${"2".repeat(70)}\r\nEND\r\n`,
    );
    expect(await tcp.take("few")).toBe("3".repeat(70));
  });

  test("statistics are refused, too", async () => {
    for (let n = 0; n < 50; n++) await tcp.put(`statistics${n}`, "x");
    for (const line of ["stats", "stats queue"]) {
      expect(await udp.ask(85, `${line}\r\n`)).toBe(tooLong);
      expect(await udp.ask(86, longer(line, 1200))).toStartWith("STAT ");
    }
    expect(await udp.ask(87, "stats queue statistics0\r\n")).toBe(tooLong);
    expect(await udp.ask(88, longer("stats queue statistics0", 100))).toStartWith(
      "STAT messages 1\r\n",
    );
  });

  test.each([
    ["get\n", 3000],
    ["get few\n", 3000],
    ["get big/x\n", 3000],
    ["flush /\n", 3000],
    ["delete /\n", 3000],
    ["stats queue big\n", 1000],
    ["version\n", 1000],
    ["set big 0 0 1\nx\r\nget big\n", 1000],
  ])("%j, many times in a datagram", async (line, count) => {
    await tcp.put("few", "x".repeat(40));
    await tcp.put("big", "x".repeat(1000));
    const request = frame(88, line.repeat(count));
    const before = await written();
    udp.send(request);
    const [first] = await udp.answer(1);
    expect(first?.id).toBe(88);
    expect((await written()) - before).toBeLessThanOrEqual(10 * request.length);
    for (const queue of ["few", "big"]) await tcp.ask(`flush ${queue}`);
    udp.forget();
  });

  /** Bytes that the server has sent, without those that tell it. */
  async function written(): Promise<number> {
    tcp.send("stats\r\n");
    const text = await tcp.until("END\r\n");
    const total = Number(/^STAT bytes_written (\d+)\r$/m.exec(text)?.[1]);
    told += text.length;
    return total - (told - text.length);
  }
  let told = 0;
});

describe("refused", () => {
  const incomplete = "CLIENT_ERROR incomplete request\r\n";

  test.each([
    ["a line without an end", "get part", incomplete],
    ["half a body", "set part 0 0 5\r\nHel", incomplete],
    ["a body without its end", "set part 0 0 5\r\nHello", incomplete],
    ["no body", "set part 0 0 5\r\n", incomplete],
    ["half a body that means nothing", "add part 0 0 5\r\nHel", incomplete],
    ["after complete ones", "set whole 0 0 1\r\nx\r\nget whole\r\nget pa", undefined],
  ])("%s", async (_title, request, expected) => {
    const answer = expected ?? `STORED\r\nVALUE whole 0 1\r\nx\r\nEND\r\n${incomplete}`;
    expect(await udp.ask(32, request)).toBe(answer);
    expect(await udp.ask(33, "get part whole\r\n")).toBe("END\r\n");
  });

  test("a body that is swallowed whole leaves the rest of the datagram in step", async () => {
    const request = "set part red 0 13\r\ndelete part\r\n\r\nversion\r\n";
    const version = `${await tcp.ask("version")}\r\n`;
    const answer = `CLIENT_ERROR bad command line format\r\n${version}`;
    expect(await udp.ask(34, request)).toBe(answer);
  });
});

describe("options of a key", () => {
  test("peek", async () => {
    await tcp.put("p", "x");
    expect(await udp.ask(60, "get p/peek\r\n")).toBe("VALUE p/peek 0 1\r\nx\r\nEND\r\n");
    expect(await tcp.take("p")).toBe("x");
  });

  test.each(["open", "close", "abort", "t=0", "t=100", "peek/t=100", "close/open"])(
    "%s is refused",
    async (option) => {
      await tcp.put("p", "x");
      const answer = await udp.ask(61, `get p/${option}\r\nversion\r\n`);
      expect(answer).toMatch(/^CLIENT_ERROR [^\r]+\r\nVERSION [^\r]+\r\n$/);
      expect(await tcp.take("p")).toBe("x");
    },
  );
});

describe("no answer", () => {
  const version = () => udp.ask(40, "version\r\n");

  test.each([0, 1, 7])("to a datagram of %d bytes", async (size) => {
    udp.send(Buffer.alloc(size));
    expect(await version()).toStartWith("VERSION ");
  });

  test.each([
    [0, 2],
    [1, 2],
    [0, 65_535],
  ])("to datagram %d of %d", async (sequence, total) => {
    udp.send(frame(31, set("multi", "x"), sequence, total));
    expect(await version()).toStartWith("VERSION ");
    expect(await tcp.take("multi")).toBeUndefined();
  });

  test.each([
    "x\r\n",
    "\r\n",
    "q\n".repeat(9),
    "GET q\r\n",
    "ERROR\r\n",
    "END\r\n",
    "VALUE q 0 1\r\nx\r\nEND\r\n",
    "STAT pid 1\r\nEND\r\n",
    "VERSION 1.0.0\r\n",
    "MN\r\n",
    "\x80\x0a" + "\0".repeat(22),
    "\x81\x0a" + "\0".repeat(22),
    "x\r\nset late 0 0 1\r\nx\r\n",
  ])("to %j, which does not begin with a command", async (payload) => {
    udp.send(frame(44, payload));
    expect(await version()).toStartWith("VERSION ");
    expect(await tcp.take("late")).toBeUndefined();
  });

  test("to noreply", async () => {
    udp.send(frame(41, set("quiet", "x", 0, true)));
    expect(await version()).toStartWith("VERSION ");
    expect(await tcp.take("quiet")).toBe("x");
  });

  test("to quit, which ends the request", async () => {
    udp.send(frame(42, "quit\r\nset late 0 0 1\r\nx\r\n"));
    expect(await version()).toStartWith("VERSION ");
    expect(await udp.ask(43, "get q\r\nquit\r\nset late 0 0 1\r\nx\r\n")).toBe("END\r\n");
    expect(await tcp.take("late")).toBeUndefined();
  });
});

test("no reply is a request: what the server sends to itself ends there", async () => {
  await tcp.put("echo", `${"y".repeat(1392)}get echo/peek\r\n`);
  const requests = [
    "get\r\n",
    "set q\r\n",
    "get nothing\r\n",
    longer("get echo/peek", 1500),
    "gets echo/peek x\r\n",
    "mn\r\n",
    "mg nothing\r\n",
    "me echo\r\n",
    "version\r\n",
    "incr q 1\r\n",
    "verbosity 1\r\n",
    longer("stats", 1200),
    longer("stats queue", 1200),
    "add q 0 0 1\r\nx\r\n",
    "delete nothing\r\n",
    "flush nothing\r\n",
    "get part",
  ];
  for (const request of requests) {
    udp.send(frame(70, request));
    const parts = await udp.answer();
    // As if the server had sent each part of the reply to its own port.
    for (const { sequence, total, body } of parts) udp.send(frame(71, body, sequence, total));
    expect(await udp.ask(72, "version\r\n")).toStartWith("VERSION ");
  }
});

test("a stop ends it with 0", async () => {
  expect(await udp.ask(50, set("last", "x"))).toBe("STORED\r\n");
  expect(await server.stop()).toMatchObject({ code: 0 });
});

test("UDP is off without -U", async () => {
  const silent = await start();
  await (await silent.connect()).inStep();
  expect(silent.stderr()).not.toContain("udp");
  await silent.stop();
});
