/** The page, what it asks for, and that no other page may ask. */
import { describe, expect, test } from "bun:test";
import { request } from "node:http";

import { builds, eventually, run, suite, user } from "../server/harness.ts";
import { fill, startWeb, type Web } from "./web.ts";

suite();

interface Row {
  name: string;
  shown: string;
  exists: boolean;
  messages: number;
  waiters: number;
  in?: number;
  out?: number;
}

interface Overview {
  total: number;
  matching: number;
  messages: number;
  awaited: number;
  queues: Row[];
  chosen?: Row;
  history: unknown[];
  course: unknown[];
  server: { admin: boolean; ailment?: string; connections: { ready: number; waiting: number } };
}

interface Preview {
  number: number;
  flags: number;
  length: number;
  body: string;
  open: boolean;
}

async function overview(server: Web, query = ""): Promise<Overview> {
  const response = await server.get(`/data/overview?${query}`);
  return (await response.json()) as Overview;
}

async function previews(server: Web, queue: string): Promise<Preview[]> {
  const response = await server.get(`/data/messages?queue=${encodeURIComponent(queue)}`);
  return (await response.json()) as Preview[];
}

test("it is off unless asked for, and at this machine only unless asked for more", async () => {
  const server = await startWeb();
  expect(server.stderr()).toContain("listening on http 127.0.0.1:");
  await server.stop();
  const both = await run(["-u", user, "--http-admin", "-H", "/dev/null/no"]);
  expect(both.stderr).toBe("memcacheq: --http-admin: it needs --http (see memcacheq -h)\n");
  expect(both.code).toBe(1);
});

test("an address in use ends the start", async () => {
  const server = await startWeb();
  const { port } = new URL(server.site);
  const second = await run(["-u", user, "-p", "0", "--http", port, "-H", "/dev/null/no"]);
  expect(second.stderr).toBe(
    `memcacheq: cannot listen on http 127.0.0.1:${port}: the address is in use\n`,
  );
  expect(second.code).toBe(1);
  await server.stop();
});

test.each(builds)("the page is whole and loads nothing else (%s)", async (build) => {
  const server = await startWeb([], { build });
  const response = await server.get("/");
  const html = await response.text();
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(html).toStartWith("<!doctype html>");
  expect(html).toEndWith("</html>\n");
  expect(html.match(/(?:src|href)\s*=\s*"(?!data:)|url\(|@import/g)).toBeNull();
  const policy = response.headers.get("content-security-policy") ?? "";
  for (const [kind, element] of [
    ["script-src", "script"],
    ["style-src", "style"],
  ] as const) {
    const [, content = ""] = new RegExp(`<${element}>([^]*?)</${element}>`).exec(html) ?? [];
    const hash = new Bun.CryptoHasher("sha256").update(content).digest("base64");
    expect(content.length).toBeGreaterThan(1000);
    expect(policy).toContain(`${kind} 'sha256-${hash}'`);
  }
  expect(policy).toContain("default-src 'none'");
  await server.stop();
});

test("the overview has the queues, and how many clients wait for one that is not there", async () => {
  const server = await startWeb();
  const client = await server.connect();
  await client.put("jobs", "x");
  await client.put("caf\xc3\xa9", "x");
  const waiter = await server.connect();
  waiter.send("get jbos/t=60000\r\n");
  const all = await eventually("a client that waits", async () => {
    const now = await overview(server);
    return now.awaited === 1 ? now : undefined;
  });
  expect(all.queues.map(({ shown, messages, waiters }) => [shown, messages, waiters])).toEqual([
    ["café", 1, 0],
    ["jobs", 1, 0],
    ["jbos", 0, 1],
  ]);
  expect(all.queues[0]?.name).toBe("caf\xc3\xa9");
  expect([all.total, all.messages, all.matching, all.awaited]).toEqual([2, 2, 3, 1]);
  expect(all.queues.map(({ exists }) => exists)).toEqual([true, true, false]);
  expect(all.server.admin).toBe(false);
  expect(all.server.connections).toMatchObject({ ready: 1, waiting: 1 });
  expect(all.server.ailment).toBeUndefined();
  const some = await overview(server, `filter=${encodeURIComponent("AFÉ")}`);
  expect([some.total, some.matching, some.queues.length]).toEqual([2, 1, 1]);
  await server.stop();
});

test("all of very many queues are sorted by any column, and the first ones listed", async () => {
  const server = await startWeb(["-N"]);
  const names = Array.from({ length: 3000 }, (_, i) => `queue-${i}`);
  await fill(server.address, [...names, "queue-2900", "queue-1234", "queue-1234"]);
  await fill(server.address, ["queue-1777"], "y".repeat(1000));
  const client = await server.connect();
  client.send("get queue-55/open\r\n");
  expect(await client.messages()).toHaveLength(1);
  const waiter = await server.connect();
  waiter.send("get none/t=60000\r\n");
  await eventually("a client that waits", async () =>
    (await overview(server, "queue=none")).chosen?.waiters === 1 ? true : undefined,
  );
  const all = await overview(server);
  expect([all.total, all.matching, all.queues.length]).toEqual([3000, 3001, 1000]);
  const firsts = async (query: string, many: number) =>
    (await overview(server, query)).queues.slice(0, many).map(({ name }) => name);
  const fullest = ["queue-1234", "queue-1777", "queue-2900"];
  expect(await firsts("", 3)).toEqual(fullest);
  expect(await firsts("sort=messages&limit=2", 9)).toEqual(fullest.slice(0, 2));
  expect(await firsts("sort=messages&order=ascending", 1)).toEqual(["none"]);
  expect(await firsts("sort=bytes", 1)).toEqual(["queue-1777"]);
  expect(await firsts("sort=open", 1)).toEqual(["queue-55"]);
  expect(await firsts("sort=waiters", 1)).toEqual(["none"]);
  expect(await firsts("sort=shown", 2)).toEqual(["queue-999", "queue-998"]);
  expect(await firsts("sort=shown&order=ascending", 2)).toEqual(["none", "queue-0"]);
  expect((await overview(server, "filter=queue-29")).matching).toBe(111);
  await server.stop();
});

test("the queue that was longest without a get comes first by age, the one in use by rate", async () => {
  const server = await startWeb();
  const client = await server.connect();
  for (const name of ["old", "idle", "busy"]) await client.put(name, "x");
  const busiest = await eventually("the rates", async () => {
    await client.put("busy", "x");
    await client.take("busy");
    const [first] = (await overview(server, "sort=out")).queues;
    return first?.out === undefined || first.out === 0 ? undefined : first;
  });
  expect([busiest.name, (busiest.in ?? 0) > 0]).toEqual(["busy", true]);
  const [oldest] = (await overview(server, "sort=age")).queues;
  expect(oldest?.name).toBe("old");
  await server.stop();
});

test("the queue that was chosen is told whatever is listed", async () => {
  const server = await startWeb();
  const client = await server.connect();
  await client.put("jobs", "x");
  await client.put("mail", "x");
  const seen = await overview(server, "filter=jobs&queue=mail");
  expect(seen.queues.map(({ name }) => name)).toEqual(["jobs"]);
  expect(seen.chosen).toMatchObject({ name: "mail", messages: 1 });
  expect((await overview(server, "queue=none")).chosen).toBeUndefined();
  await server.stop();
});

test("an order or a limit that makes no sense is refused", async () => {
  const server = await startWeb();
  for (const [query, reason] of [
    ["sort=size", "sort is one of shown, messages, in, out, age, waiters, open, bytes\n"],
    ["order=down", "order is ascending or descending\n"],
    ["limit=0", "limit is a number from 1 to 1000\n"],
    ["limit=1001", "limit is a number from 1 to 1000\n"],
    ["limit=x", "limit is a number from 1 to 1000\n"],
    ["span=week", "span is one of minutes, hour, day\n"],
  ] as const) {
    const response = await server.get(`/data/overview?${query}`);
    expect([query, response.status, await response.text()]).toEqual([query, 400, reason]);
  }
  await server.stop();
});

test("the last minutes are remembered", async () => {
  const server = await startWeb();
  const client = await server.connect();
  await client.put("jobs", "x");
  await client.put("jobs", "x");
  await client.take("jobs");
  const seen = await eventually("a moment", async () => {
    const now = await overview(server, "queue=jobs");
    return now.history.length > 0 ? now : undefined;
  });
  expect(seen.history[0]).toEqual([expect.any(Number), 1, 2, 1]);
  expect(seen.course[0]).toEqual([expect.any(Number), 1, 2, 1]);
  await server.stop();
});

test("a queue that is made anew has a history of its own", async () => {
  const server = await startWeb();
  const client = await server.connect();
  await client.put("jobs", "x");
  await client.put("jobs", "x");
  await eventually("a moment", async () =>
    (await overview(server, "queue=jobs")).course.length > 0 ? true : undefined,
  );
  expect(await client.ask("delete jobs")).toBe("DELETED");
  await client.put("jobs", "x");
  const course = await eventually("a moment of the new queue", async () => {
    const now = await overview(server, "queue=jobs");
    return now.course.length > 0 ? now.course : undefined;
  });
  expect(course).toEqual([[expect.any(Number), 1, 1, 0]]);
  await server.stop();
});

test("the oldest messages are shown and stay, the open ones too", async () => {
  const server = await startWeb(["-B", "100000"]);
  const client = await server.connect();
  await client.put("q", "opened", 7);
  await client.put("q", "taken");
  await client.put("q", "\0\xff", 4294967295);
  await client.put("q", "y".repeat(50_000));
  await client.put("q", "last");
  client.send("get q/open\r\n");
  expect(await client.messages()).toHaveLength(1);
  expect(await client.take("q")).toBe("taken");
  const seen = await previews(server, "q");
  expect(seen.map(({ number, flags, length, open }) => [number, flags, length, open])).toEqual([
    [1, 7, 6, true],
    [3, 4294967295, 2, false],
    [4, 0, 50_000, false],
    [5, 0, 4, false],
  ]);
  expect(seen.map(({ body }) => Buffer.from(body, "base64").toString("latin1"))).toEqual([
    "opened",
    "\0\xff",
    "y".repeat(4096),
    "last",
  ]);
  expect(await client.take("q")).toBe("\0\xff");
  expect((await server.get("/data/messages?queue=none")).status).toBe(404);
  await server.stop();
});

test("no more than twenty messages are shown, of a queue that is only on disk, too", async () => {
  const first = await startWeb();
  await fill(
    first.address,
    Array.from({ length: 1000 }, () => "q"),
    "body",
  );
  await first.stop();
  const server = await startWeb([], { home: first.home });
  const seen = await previews(server, "q");
  expect(seen.map(({ number }) => number)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  expect(seen.every(({ body }) => body === btoa("body"))).toBe(true);
  await server.stop();
});

test("large messages are not all read to show their beginnings", async () => {
  const server = await startWeb(["-B", "10000000"]);
  const client = await server.connect();
  for (let n = 0; n < 5; n++) await client.put("q", String(n).repeat(600_000));
  const seen = await previews(server, "q");
  expect(seen.map(({ length }) => length)).toEqual([600_000, 600_000]);
  await server.stop();
});

/** The status of a request with these headers; a browser would not let a page set some of them. */
function raw(site: string, method: string, path: string, headers: Record<string, string>) {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const asked = request(`${site}${path}`, { method, headers }, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  });
  asked.on("error", reject);
  asked.end();
  return promise;
}

describe("a foreign name for this address", () => {
  test("gets neither page nor data, but metrics and health", async () => {
    const server = await startWeb(["--http-admin"]);
    const { port } = new URL(server.site);
    const status = (path: string, host: string) => raw(server.site, "GET", path, { host });
    for (const host of [`localhost:${port}`, "127.0.0.1", `[::1]:${port}`, "mq.localhost"]) {
      expect([host, await status("/data/overview", host)]).toEqual([host, 200]);
    }
    for (const host of [
      "evil.example",
      `evil.example:${port}`,
      "localhost.evil.example",
      "1.2.3.4.example",
    ]) {
      expect([host, await status("/", host)]).toEqual([host, 403]);
      expect([host, await status("/data/overview", host)]).toEqual([host, 403]);
      expect([host, await status("/data/messages?queue=q", host)]).toEqual([host, 403]);
      expect([host, await status("/metrics", host)]).toEqual([host, 200]);
      expect([host, await status("/healthz", host)]).toEqual([host, 200]);
    }
    await server.stop();
  });
});

test("a queue tells what became of messages that no client got", async () => {
  const server = await startWeb(["--queue", "q:max-messages=1,drop-oldest=yes,copy-to=full"]);
  const client = await server.connect();
  for (let n = 0; n < 3; n++) await client.put("q/id=same", "x");
  for (let n = 0; n < 2; n++) await client.put("q", "x");
  const { queues } = await overview(server);
  expect(queues).toMatchObject([{ lost: {} }, { lost: { dropped: 2, duplicates: 2 } }]);
  await server.stop();
});

describe("--http-admin", () => {
  const proof = { "x-memcacheq": "page" };

  test("pauses, flushes and deletes, and answers once that is committed", async () => {
    const server = await startWeb(["--http-admin"]);
    const client = await server.connect();
    const name = "caf\xc3\xa9&=%";
    for (let i = 0; i < 3; i++) await client.put(name, "x");
    const path = (command: string) => `/admin/${command}?queue=${encodeURIComponent(name)}`;
    expect((await overview(server)).server.admin).toBe(true);
    const flushed = await server.get(path("flush"), { method: "POST", headers: proof });
    expect([flushed.status, await flushed.json()]).toEqual([200, { said: "END" }]);
    expect(await client.take(name)).toBeUndefined();
    await client.put(name, "x");
    const paused = await server.get(path("pause"), { method: "POST", headers: proof });
    expect([paused.status, await paused.json()]).toEqual([200, { said: "OK" }]);
    expect((await overview(server)).queues).toMatchObject([{ paused: -1 }]);
    expect(await client.take(name)).toBeUndefined();
    expect((await server.get(path("resume"), { method: "POST", headers: proof })).status).toBe(200);
    expect((await overview(server)).queues).toMatchObject([{ paused: 0 }]);
    const deleted = await server.get(path("delete"), { method: "POST", headers: proof });
    expect([deleted.status, await deleted.json()]).toEqual([200, { said: "DELETED" }]);
    expect(await client.ask("stats queue")).toBe("END");
    expect((await server.get(path("delete"), { method: "POST", headers: proof })).status).toBe(404);
    await server.stop();
  });

  test("is for the page only", async () => {
    const server = await startWeb(["--http-admin"]);
    const client = await server.connect();
    await client.put("q", "x");
    const own = new URL(server.site).host;
    const refused: [method: string, headers: Record<string, string>, status: number][] = [
      ["GET", proof, 405],
      ["POST", {}, 403],
      ["POST", { "x-memcacheq": "something" }, 403],
      ["POST", { ...proof, origin: "http://evil.example" }, 403],
      ["POST", { ...proof, origin: "null" }, 403],
      ["POST", { ...proof, origin: `http://${own}.evil.example` }, 403],
      ["POST", { ...proof, origin: "http://localhost:1" }, 403],
      ["POST", { ...proof, "sec-fetch-site": "cross-site" }, 403],
      ["POST", { ...proof, "sec-fetch-site": "same-site" }, 403],
      ["POST", { ...proof, host: "evil.example", origin: "http://evil.example" }, 403],
      ["OPTIONS", { origin: "http://evil.example", "access-control-request-method": "POST" }, 405],
    ];
    for (const [method, headers, status] of refused) {
      const got = await raw(server.site, method, "/admin/delete?queue=q", headers);
      expect([method, headers, got]).toEqual([method, headers, status]);
    }
    const headers = { ...proof, origin: server.site, "sec-fetch-site": "same-origin" };
    expect(await client.take("q")).toBe("x");
    expect(await raw(server.site, "POST", "/admin/delete?queue=q", headers)).toBe(200);
    await server.stop();
  });

  test("without it nothing can be changed", async () => {
    const server = await startWeb();
    const client = await server.connect();
    await client.put("q", "x");
    for (const command of ["flush", "delete"]) {
      const headers = { ...proof, origin: server.site };
      expect(await raw(server.site, "POST", `/admin/${command}?queue=q`, headers)).toBe(403);
    }
    for (const method of ["POST", "PUT", "DELETE"]) {
      expect(await raw(server.site, method, "/data/messages?queue=q", proof)).toBe(405);
    }
    expect(await client.take("q")).toBe("x");
    await server.stop();
  });

  test("a command cannot be slipped into a name", async () => {
    const server = await startWeb(["--http-admin"]);
    const client = await server.connect();
    await client.put("q", "x");
    await client.put("r", "x");
    const path = `/admin/delete?queue=${encodeURIComponent("q\r\ndelete r")}`;
    expect((await server.get(path, { method: "POST", headers: proof })).status).toBe(404);
    expect(await client.take("r")).toBe("x");
    await server.stop();
  });
});

test("messages are found by a part of their bodies, from the oldest on", async () => {
  const server = await startWeb(["-B", "200000"]);
  const client = await server.connect();
  await client.put("q", "opened needle");
  for (let i = 2; i <= 100; i++) await client.put("q", i % 10 === 0 ? `needle ${i}` : `hay ${i}`);
  await client.put("q", `${"y".repeat(50_000)}caf\xc3\xa9`);
  client.send("get q/open\r\n");
  expect(await client.messages()).toHaveLength(1);
  const find = async (text: string) => {
    const response = await server.get(`/data/messages?queue=q&find=${encodeURIComponent(text)}`);
    return (await response.json()) as { messages: Preview[]; searched: number; hasMore: boolean };
  };
  const numbers = ({ messages }: { messages: Preview[] }) => messages.map(({ number }) => number);
  const needles = await find("needle");
  expect(numbers(needles)).toEqual([1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
  expect([needles.searched, needles.hasMore]).toEqual([101, false]);
  const far = await find("café");
  expect(
    far.messages.map(({ number, length, body }) => [number, length, atob(body).length]),
  ).toEqual([[101, 50_005, 4096]]);
  const hay = await find("hay");
  expect([hay.messages.length, hay.messages[0]?.number, hay.hasMore]).toEqual([20, 2, true]);
  expect(numbers(await find("nothing"))).toEqual([]);
  expect((await server.get("/data/messages?queue=none&find=x")).status).toBe(404);
  expect((await server.get("/data/messages?queue=q&find=")).status).toBe(400);
  expect((await previews(server, "q")).length).toBe(20);
  await server.stop();
});

test("a search through very many messages ends, and keeps no client waiting", async () => {
  const server = await startWeb(["-N"]);
  await fill(
    server.address,
    Array.from({ length: 30_000 }, () => "q"),
    "body",
  );
  const searching = server.get("/data/messages?queue=q&find=nothing");
  const client = await server.connect();
  let answered = 0;
  let isOver = false;
  void searching.then(() => (isOver = true));
  for (; !isOver; answered++) await client.put("other", "x");
  expect(await (await searching).json()).toEqual({ messages: [], searched: 20_000, hasMore: true });
  expect(answered).toBeGreaterThan(20);
  await server.stop();
});

test("clients are listed with what they wait for and have open", async () => {
  const server = await startWeb();
  const [consumer, waiter, idle] = [
    await server.connect(),
    await server.connect(),
    await server.connect(),
  ];
  await consumer.put("caf\xc3\xa9", "x");
  consumer.send("get caf\xc3\xa9/open\r\n");
  expect(await consumer.messages()).toHaveLength(1);
  waiter.send("get jobs/t=60000\r\n");
  idle.send("set half 0 0 100\r\nhalf");
  const list = await eventually("three clients", async () => {
    const response = await server.get("/data/clients");
    const { total, clients } = (await response.json()) as {
      total: number;
      clients: {
        client: string;
        age: number;
        activity: string;
        waitsFor: string[];
        open: string[];
        unread: number;
      }[];
    };
    const isSeen =
      clients.some(({ unread }) => unread > 0) &&
      clients.some(({ waitsFor }) => waitsFor.length > 0);
    return total === 3 && isSeen ? clients : undefined;
  });
  expect(list.map(({ activity, waitsFor, open }) => [activity, waitsFor, open])).toEqual([
    ["ready", [], ["café"]],
    ["waiting", ["jobs"], []],
    ["ready", [], []],
  ]);
  expect(list.every(({ client, age }) => /^127\.0\.0\.1:\d+$/.test(client) && age >= 0)).toBe(true);
  await server.stop();
});

test("what is not there is not found", async () => {
  const server = await startWeb();
  for (const path of ["/favicon.ico", "/data/", "/data/messages", "/../etc/passwd", "/metricsx"]) {
    expect([path, (await server.get(path)).status]).toEqual([path, 404]);
  }
  await server.stop();
});
