/** Requests as probes, load balancers and odd programs write them. */
import { beforeAll, expect, test } from "bun:test";

import { connect } from "../server/client.ts";
import { suite } from "../server/harness.ts";
import { startWeb, type Web } from "./web.ts";

suite();

let server: Web;
beforeAll(async () => {
  server = await startWeb(["--http-admin"]);
});

/** The status of the answer to a request that is written as it is. */
async function status(request: string): Promise<number> {
  const client = await connect({ hostname: "127.0.0.1", port: Number(new URL(server.site).port) });
  client.send(request);
  const line = await client.line();
  await client.end();
  return Number(/^HTTP\/1\.1 (\d+) /.exec(line)?.[1]);
}

const hosts = [
  "HTTP/1.0\r\n\r\n",
  "HTTP/1.0\r\nHost:\r\n\r\n",
  "HTTP/1.1\r\nHost: \r\n\r\n",
  "HTTP/1.1\r\nHost: a b\r\n\r\n",
  "HTTP/1.1\r\nHost: [::\r\n\r\n",
  "HTTP/1.1\r\nHost: a:99999\r\n\r\n",
  "HTTP/1.1\r\nHost: <script>\r\n\r\n",
  "HTTP/1.1\r\nHost: a%00b\r\n\r\n",
  "HTTP/1.1\r\nHost: localhost/x?y#z\r\n\r\n",
  "HTTP/1.1\r\nHost: user:pw@localhost\r\n\r\n",
  "HTTP/1.1\r\nHost: \xff\xfe\\\r\n\r\n",
];

test.each(hosts)("health and metrics need no host: %j", async (rest) => {
  expect(await status(`GET /healthz ${rest}`)).toBe(200);
  expect(await status(`HEAD /healthz?probe=1 ${rest}`)).toBe(200);
  expect(await status(`GET /metrics ${rest}`)).toBe(200);
});

test.each(hosts)("the page needs one: %j", async (rest) => {
  for (const path of ["/", "/data/overview", "/data/messages?queue=q", "/nothing", "//x"]) {
    expect(await status(`GET ${path} ${rest}`)).toBe(400);
  }
  expect(await status(`POST /admin/flush?queue=q ${rest}`)).toBe(400);
});

test.each([
  ["GET /healthz HTTP/1.1\r\n\r\n", 400],
  ["GET healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400],
  ["OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400],
  ["CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400],
  ["GET http://elsewhere/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200],
  ["GET //elsewhere/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 404],
  ["GET /data/messages?queue=%ff%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 404],
  ["GET /data/overview?filter=%00%ff%zz&queue=\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 200],
  ["GET /%00%ff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n", 404],
  ["GET / HTTP/1.1\r\nHost: LOCALHOST:99\r\n\r\n", 200],
  ["GET / HTTP/1.1\r\nHost: [::1]:99\r\n\r\n", 200],
  ["GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n", 403],
])("%j: %d", async (request, expected) => {
  expect(await status(request)).toBe(expected);
});

test("nothing of that is an error of the server", async () => {
  const { code, stderr } = await server.stop();
  expect(code).toBe(0);
  expect(stderr).not.toMatch(/internal|error|src\//i);
});
