/** Bytes that nobody planned, for the running server, over TCP and UDP. */
import { cutAtRandom, type Random } from "../protocol/random.ts";
import type { Part, Report } from "../torture/part.ts";
import { wellBehaved } from "./beside.ts";
import { kinds, meta } from "./inputs.ts";
import { LIMIT, peak } from "./memory.ts";
import { anyHeader, nearlyPacket, noop } from "./packets.ts";
import { type Server, withServer } from "./server.ts";

export const fuzz: Part = { name: "fuzz", share: 2, run };

/** Clients over TCP at the same time. */
const CLIENTS = 8;
/** Datagrams that are sent before somebody is asked whether the server still answers. */
const DATAGRAMS = 50;
/**
 * What would harm those who do nothing wrong, as it would in any conversation, or fill the log: as text, and as the
 * first two bytes of the binary flush, flushq and verbosity.
 */
const HARMFUL = /flush_all|verbosity|\x80[\x08\x18\x1b]/;
/** Most inputs that are sent at once. */
const MOST = 60;

async function run(budget: number, random: Random, report: Report): Promise<void> {
  const port = await freeUdpPort();
  await withServer(["-N", "-B", "256", "-U", `${port}`], async (server) => {
    const endBeside = await wellBehaved(server);
    const deadline = Date.now() + budget;
    const attacks = Array.from({ length: CLIENTS }, () => attack(server, deadline, random, report));
    await Promise.all([...attacks, attackByUdp(server, port, deadline, random, report)]);
    report.count("messages beside", await endBeside());
    const taken = peak(server);
    report.note(`${Math.round(taken / 1024 ** 2)} MB at most`);
    if (taken > LIMIT) throw new Error(`the server took ${taken} bytes`);
  });
}

async function freeUdpPort(): Promise<number> {
  const probe = await Bun.udpSocket({ hostname: "127.0.0.1" });
  const { port } = probe;
  probe.close();
  return port;
}

/** Bytes that harm nobody else. */
function harmless(make: () => Buffer): Buffer {
  for (;;) {
    const bytes = make();
    if (!HARMFUL.test(bytes.toString("latin1"))) return bytes;
  }
}

function several(count: number, make: () => Buffer): Buffer[] {
  return Array.from({ length: count }, () => harmless(make));
}

function texts(random: Random, count: number): Buffer {
  return Buffer.concat(several(count, () => random.pick([...kinds, meta])(random)));
}

function packets(random: Random, count: number): Buffer {
  return Buffer.concat([noop, ...several(count, () => nearlyPacket(random)), anyHeader(random)]);
}

async function attack(
  server: Server,
  deadline: number,
  random: Random,
  report: Report,
): Promise<void> {
  while (Date.now() < deadline) {
    const count = random.between(1, MOST);
    const client = await server.connect();
    // The first byte says for all that follows which dialect it is.
    const make = random.pick([texts, texts, packets]);
    const bytes = harmless(() => make(random, count));
    const pieces = cutAtRandom(random, bytes, random.pick([1, 2, 5, 50]));
    for (const piece of pieces) {
      if (piece.length > 0) client.send(piece);
      // What is sent at once arrives as one piece.
      if (random.below(4) === 0) await new Promise(setImmediate);
    }
    const end = random.pick(["shutdown", "shutdown", "reset", "end"]);
    if (end === "shutdown") {
      client.shutdown();
      await client.rest();
      await client.end();
    } else {
      await client[end as "reset" | "end"]();
    }
    report.count("inputs over TCP", count);
    report.count("connections");
  }
}

async function attackByUdp(
  server: Server,
  port: number,
  deadline: number,
  random: Random,
  report: Report,
): Promise<void> {
  const client = await server.connect();
  const socket = await Bun.udpSocket({ connect: { hostname: "127.0.0.1", port } });
  while (Date.now() < deadline) {
    for (let n = 0; n < DATAGRAMS; n++) {
      const header = random.pick([
        () => Buffer.from([0, 1, 0, 0, 0, 1, 0, 0]),
        () => random.bytes(8),
        () => random.bytes(random.below(9)),
      ]);
      const count = random.between(0, 10);
      const make = random.pick([texts, texts, texts, packets]);
      socket.send(harmless(() => Buffer.concat([header(), make(random, count)])));
    }
    await client.inStep();
    report.count("datagrams", DATAGRAMS);
  }
  socket.close();
  await client.end();
}
