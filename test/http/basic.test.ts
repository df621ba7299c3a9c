/** The page and /metrics ask for a name and a password by HTTP Basic, and show what the account may see. */
import { expect, test } from "bun:test";

import { authFile, HASH, login } from "../server/accounts.ts";
import { eventually, suite } from "../server/harness.ts";
import { startWeb } from "./web.ts";

suite();

const file = authFile(
  `root:${HASH}`,
  "mailer:x y:z".replace(":z", ""),
  "viewer:x:peek=mail*",
  "taker:x:get=mail*",
);
const web = await startWeb(["--auth-file", file, "--http-admin"]);

const as = (name: string, password: string) => ({
  headers: { authorization: `Basic ${btoa(`${name}:${password}`)}` },
});
const status = async (path: string, init?: RequestInit) => (await web.get(path, init)).status;

test.each(["/", "/metrics", "/data/overview", "/admin/flush?queue=q", "/nothing"])(
  "%s needs a name and a password",
  async (path) => {
    const answer = await web.get(path);
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toBe('Basic realm="memcacheq", charset="UTF-8"');
    expect(await status(path, { headers: { authorization: "Bearer x" } })).toBe(401);
  },
);

test("health needs none", async () => {
  expect(await status("/healthz")).toBe(200);
});

test("a right one is asked for once, a wrong one has its pause", async () => {
  expect(await status("/", as("root", "right"))).toBe(200);
  expect(await status("/metrics", as("mailer", "x y"))).toBe(200);
  expect(await status("/", as("root", "wrong"))).toBe(401);
  expect(await status("/", as("eve", "x"))).toBe(401);
  // The failures of this address do not delay what is known to be right.
  expect(await status("/", as("root", "right"))).toBe(200);
});

test("many wrong ones at once are refused, and others are still answered", async () => {
  const tries = await Promise.all(
    Array.from({ length: 30 }, (_, i) => status("/", as("root", `${i}`))),
  );
  expect(tries.filter((each) => each === 429).length).toBeGreaterThan(10);
  expect(await status("/metrics", as("root", "right"))).toBe(200);
});

test("the page and the metrics tell of what may be seen", async () => {
  const client = await web.connect();
  client.send(`${login("root", "right")}set mail1 0 0 4\r\nbody\r\nset secret 0 0 4\r\nbody\r\n`);
  for (let i = 0; i < 3; i++) expect(await client.line()).toBe("STORED");
  const overview = async (name: string, password: string) =>
    (await (await web.get("/data/overview?queue=secret", as(name, password))).json()) as {
      total: number;
      queues: { name: string }[];
      course: unknown[];
      server: { admin: boolean };
    };
  const seen = await overview("viewer", "x");
  expect(seen.queues.map(({ name }) => name)).toEqual(["mail1"]);
  expect([seen.total, seen.course, seen.server.admin]).toEqual([1, [], false]);
  const all = await overview("root", "right");
  expect(all.queues.map(({ name }) => name).toSorted()).toEqual(["mail1", "secret"]);
  expect(all.server.admin).toBe(true);

  const metrics = await (await web.get("/metrics", as("viewer", "x"))).text();
  expect(metrics).toContain('memcacheq_queue_messages{queue="mail1"} 1');
  expect(metrics).not.toContain("secret");
  expect(metrics).toContain('memcacheq_connections_by_name{name="root"} 1');
  const [, failures = ""] = /^memcacheq_failed_authentications_total (\d+)$/m.exec(metrics) ?? [];
  expect(Number(failures)).toBeGreaterThan(0);

  const messages = "/data/messages?queue=";
  expect(await status(`${messages}mail1`, as("viewer", "x"))).toBe(200);
  expect(await status(`${messages}secret`, as("viewer", "x"))).toBe(403);
  expect(await status(`${messages}mail1`, as("taker", "x"))).toBe(403);
  await client.end();
});

test("the buttons need the right admin", async () => {
  const press = async (name: string, password: string, path = "flush?queue=mail1") => {
    const { headers } = as(name, password);
    return await status(`/admin/${path}`, {
      method: "POST",
      headers: { ...headers, "x-memcacheq": "page" },
    });
  };
  for (const path of ["give-back", "remove", "return", "return-all"]) {
    expect(await press("viewer", "x", `${path}?queue=mail1&number=1`)).toBe(403);
  }
  expect(await press("root", "right", "remove?queue=mail1&number=1000")).toBe(404);
  expect(await press("viewer", "x")).toBe(403);
  expect(await press("root", "right")).toBe(200);
});

test("curl gets the page with a name and a password, and not without", () => {
  const curl = (...flags: string[]) =>
    Bun.spawnSync([
      "curl",
      "-s",
      "-o",
      "/dev/null",
      "-w",
      "%{http_code}",
      ...flags,
      `${web.site}/`,
    ]).stdout.toString();
  expect(curl()).toBe("401");
  expect(curl("-u", "root:right")).toBe("200");
});

test("events tell of queues that may be seen, and an admin of failures; clients are counted by name", async () => {
  const accounts = authFile(`root:${HASH}`, "viewer:x:peek=mail*");
  const rules = ["--queue", "*:max-messages=1,drop-oldest=yes"];
  const own = await startWeb(["--auth-file", accounts, ...rules]);
  const client = await own.connect();
  const lines = ["mail1", "secret"].flatMap((queue) =>
    Array(3).fill(`set ${queue} 0 0 1\r\nx\r\n`),
  );
  client.send(login("root", "right") + lines.join(""));
  for (let n = 0; n < 7; n++) expect(await client.line()).toBe("STORED");
  const other = await own.connect();
  other.send(login("root", "wrong"));
  expect(await other.line()).toBe("CLIENT_ERROR authentication failure");
  const eventsOf = async (name: string, password: string) => {
    const events = await (await own.get("/data/events", as(name, password))).json();
    return (events as { kind: string; queue: string; text: string; times: number }[]).map(
      ({ kind, queue, times }) => `${kind} ${queue} ${times}`,
    );
  };
  const all = await eventually("all events", async () => {
    const events = await eventsOf("root", "right");
    return events.length === 4 ? events : undefined;
  });
  expect(all.toSorted()).toEqual(["dropped mail1 2", "dropped secret 2", "start  1", "warning  1"]);
  expect(await eventsOf("viewer", "x")).toEqual(["dropped mail1 2"]);
  const list = await (await own.get("/data/clients", as("root", "right"))).json();
  const { traffic } = list as { traffic: { client: string; connections: number; sets: number }[] };
  expect(traffic.map(({ client, connections, sets }) => [client, connections, sets])).toEqual([
    ["root", 1, 6],
    ["others", 1, 0],
  ]);
  expect((await own.get("/data/clients", as("viewer", "x"))).status).toBe(403);
  await own.stop();
});
