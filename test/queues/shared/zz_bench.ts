import { newOperation } from "../../../src/queues/operation.ts";
import { newServer } from "./shop.ts";
const port = 54399;
const database = process.argv[2] as string;
const per = Number(process.argv[3] ?? 25),
  ms = Number(process.argv[4] ?? 4000),
  queueName = process.argv[5] ?? "q";
const server = await newServer(port, database, { sync: process.env["NOSYNC"] === undefined });
const body = Buffer.alloc(100, "x");
const ops = Array.from({ length: per }, (_, i) =>
  Object.assign(newOperation(), { queue: queueName, kind: i % 2 ? "take" : "put" }),
);
for (const o of ops) o.session = { taken: 0, postponed: false };
let done = 0,
  absent = 0,
  groups = 0;
const until = performance.now() + ms;
let flip = 0;
const lat: number[] = [];
while (performance.now() < until) {
  flip ^= 1;
  for (const [i, o] of ops.entries()) {
    o.outcome = "pending";
    o.session.taken = 0;
    o.session.postponed = false;
    if (process.env["MODE"] === "put") o.kind = "put";
    else if (process.env["MODE"] === "take") o.kind = "take";
    else o.kind = (i + flip) % 2 ? "take" : "put";
    if (o.kind === "put") Object.assign(o, { body, start: 0, end: 100 });
  }
  const t = performance.now();
  for (let at = 0; at < per;) at += await server.backend.execute(ops, at, per);
  lat.push(performance.now() - t);
  groups++;
  for (const o of ops) {
    if (o.outcome === "done") done++;
    else absent++;
    if (o.outcome === "failed") throw new Error(o.error);
  }
}
lat.sort((a, b) => a - b);
console.log(
  JSON.stringify({
    done: Math.round(done / (ms / 1000)),
    absent,
    groups: Math.round(groups / (ms / 1000)),
    p50: lat[lat.length >> 1]?.toFixed(2),
    p99: lat[Math.floor(lat.length * 0.99)]?.toFixed(2),
  }),
);
await server.backend.close();
process.exit(0);
