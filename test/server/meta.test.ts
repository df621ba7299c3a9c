/** The meta commands over real sockets. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";

import type { Client } from "./client.ts";
import { expectLines, talk } from "./conversation.ts";
import { freePort, scratch, type Server, start, type StartOptions, suite } from "./harness.ts";

suite();

const encoded = (name: string) => Buffer.from(name, "latin1").toString("base64");
const meaningless = "has no meaning for a queue";

const conversations: readonly (readonly [title: string, text: string])[] = [
  [
    "two messages, first in, first out",
    `> ms q 5 F7
     > Hello
     < HD
     > ms q 0
     >
     < HD
     > mg q v f s t c k
     < VA 5 f7 s5 t-1 c1 kq
     < Hello
     > mg q v s
     < VA 0 s0
     <
     > mg q v
     < EN
     > md q
     < HD
     > md q
     < NF`,
  ],
  [
    "a get without v takes the message, and tells only of it",
    `> ms q 5 F7
     > Hello
     < HD
     > mg q s f O1
     < HD s5 f7 O1
     > mg q s f O2 k
     < EN O2 kq
     > md q
     < HD`,
  ],
  [
    "what a set tells",
    `> ms q 5 k O1 s c
     > Hello
     < HD kq O1 s5 c1
     > ms q 2 c T60 I MS
     > hi
     < HD c2
     > md q k O3
     < HD kq O3
     > md q k O4
     < NF kq O4`,
  ],
  [
    "quiet",
    `> ms q 1 q
     > a
     > ms q 1 q k O1
     > b
     > mg q q v k O2
     < VA 1 kq O2
     < a
     > mg unknown q v k O3
     > mg q q
     < HD
     > mg q q
     > md q q
     > md q q
     > mn
     < MN`,
  ],
  [
    "a quiet request that is refused is told of it",
    `> ms q 4 q ME
     > md q
     < CLIENT_ERROR mode E ${meaningless}, use S
     > mg q q Z
     < CLIENT_ERROR invalid flag
     > md q q I
     < CLIENT_ERROR flag I ${meaningless}
     > ms q 1025 q
     > ${"x".repeat(1025)}
     < SERVER_ERROR object too large for cache
     > ms q 2 q
     > hiXXmn
     < CLIENT_ERROR bad data chunk
     < MN
     > me q
     < EN`,
  ],
  [
    "names in base64",
    `> ms ${encoded("jobs")} 2 b k
     > hi
     < HD k${encoded("jobs")} b
     > mg ${encoded("jobs/peek")} b k v
     < VA 2 k${encoded("jobs/peek")} b
     < hi
     > mg jobs v k
     < VA 2 kjobs
     < hi
     > mg ${encoded("jobs")} b k
     < EN k${encoded("jobs")} b
     > mg jobs b
     < EN
     > mg jobs! b
     < CLIENT_ERROR error decoding key
     > mg ${encoded("a b")} b
     < CLIENT_ERROR a queue's name has no space and no line end in it
     > md ${encoded("jobs")} b
     < HD`,
  ],
  [
    "what a queue has no meaning for",
    `> ma q
     < CLIENT_ERROR ma ${meaningless}
     > ms q 4 MA
     > md q
     < CLIENT_ERROR mode A ${meaningless}, use S
     > ms q 4 C1
     > md q
     < CLIENT_ERROR flag C ${meaningless}
     > md q x
     < CLIENT_ERROR flag x ${meaningless}
     > mz q
     < ERROR
     > mg
     < ERROR`,
  ],
  [
    "the options of a key",
    `> ms work 3
     > one
     < HD
     > ms work 3
     > two
     < HD
     > mg work/open v k
     < VA 3 kwork/open
     < one
     > mg work/open v
     < CLIENT_ERROR a message of work is open already
     > mg work/abort v
     < EN
     > mg work/open v c
     < VA 3 c1
     < one
     > mg work/close/open v c
     < VA 3 c2
     < two
     > mg work/close q
     > mg work/peek v q
     > mg work/t=0 v
     < EN
     > ms work/open 4
     > md q
     < CLIENT_ERROR a slash has no place in the name here, it begins the options of a get
     > stats queue
     < STAT work 2/2
     < END
     > md work
     < HD`,
  ],
  [
    "classic and meta commands on one connection",
    `> ms q 3 F5
     > abc
     < HD
     > get q
     < VALUE q 5 3
     < abc
     < END
     > set q 6 0 3
     > def
     < STORED
     > mg q v f
     < VA 3 f6
     < def
     > delete q
     < DELETED
     > mn
     < MN`,
  ],
];

const sockets: readonly (readonly [kind: string, options: () => StartOptions])[] = [
  ["TCP", () => ({})],
  ["a Unix socket, compiled", () => ({ socket: join(scratch(), "socket"), build: "compiled" })],
];

describe.each(sockets)("%s", (_kind, options) => {
  let server: Server;
  let client: Client;

  beforeAll(async () => {
    server = await start([], options());
    client = await server.connect();
  });
  afterAll(async () => {
    expect(await server.stop()).toMatchObject({ code: 0, stdout: "" });
  });

  test.each(conversations)("%s", async (_title, text) => {
    await talk(client, text);
  });

  test("what me tells of a queue is what stats queue tells", async () => {
    await client.put("q", "12345");
    await client.put("q", "6");
    await client.take("q");
    expect(await client.ask("me q")).toMatch(
      /^ME q messages=1 bytes=1 open=0 waiters=0 sets=2 gets=1 age=\d+ memory=\d+ open_age=0 /,
    );
    expect(await client.ask(`me ${encoded("q")} b`)).toStartWith("ME q messages=1 ");
    expect(await client.ask("me unknown")).toBe("EN");
    expect(await client.ask("md q")).toBe("HD");
  });

  test("waiting, for a message that comes and for one that doesn't", async () => {
    const producer = await server.connect();
    client.send("mg w/t=60000 v k O5 q\r\nmg w/t=20 v O6\r\nmg w/t=20 q\r\nmn\r\n");
    await producer.inStep();
    await producer.put("w", "now");
    await expectLines(client, ["VA 3 kw/t=60000 O5", "now", "EN O6", "MN"]);
    expect(await client.ask("md w")).toBe("HD");
    await producer.end();
  });
});

test("limits", async () => {
  const server = await start(["--max-messages", "1"]);
  const client = await server.connect();
  client.send("ms q 1 k\r\na\r\nms q 1 k\r\nb\r\nms q 1 q O7\r\nc\r\nmn\r\n");
  await expectLines(client, ["HD kq", "NS kq", "NS O7", "MN"]);
  await server.stop();
});

test("the log shows requests and answers, and no bodies", async () => {
  const server = await start(["-v"]);
  const client = await server.connect();
  client.send("ms jobs 6 F5 c\r\nsecret\r\nmg jobs v s\r\nmg jobs q\r\nmn\r\n");
  await expectLines(client, ["HD c1", "VA 6 s6", "secret", "MN"]);
  const { stderr } = await server.stop();
  for (const shown of ["< ms jobs 6 F5 c", "> HD c1", "< mg jobs v s", "> VA 6 s6", "> MN"]) {
    expect(stderr).toContain(shown);
  }
  expect(stderr).not.toContain("secret");
  expect(stderr).not.toContain("> EN");
});

test("over UDP", async () => {
  const port = freePort();
  const server = await start(["-U", `${port}`]);
  await server.logged(/listening on udp/);
  const answer = Promise.withResolvers<string>();
  const socket = await Bun.udpSocket({
    connect: { hostname: "127.0.0.1", port },
    socket: { data: (_socket, data) => answer.resolve(data.toString("latin1", 8)) },
  });
  const header = Buffer.from([0, 1, 0, 0, 0, 1, 0, 0]);
  socket.send(
    Buffer.concat([header, Buffer.from("ms q 2\r\nhi\r\nmg q v\r\nmg q/open v\r\nmn\r\n")]),
  );
  expect(await answer.promise).toBe(
    "HD\r\nVA 2\r\nhi\r\nCLIENT_ERROR options other than peek and lease= need a connection\r\nMN\r\n",
  );
  socket.close();
  await server.stop();
});
