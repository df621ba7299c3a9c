/** Bytes that nobody planned, for the running server, over TCP and UDP. */
import { cutAtRandom, type Random } from "../protocol/random.ts";
import { freePort, memoryOf, type Server } from "../server/harness.ts";
import { wellBehaved } from "./beside.ts";
import { kinds } from "./inputs.ts";
import { LIMIT } from "./memory.ts";
import type { Part, Report } from "./part.ts";
import { withServer } from "./server.ts";

export const fuzz: Part = { name: "fuzz", share: 3, run };

/** Clients over TCP at the same time. */
const CLIENTS = 8;
/** Datagrams that are sent before somebody is asked whether the server still answers. */
const DATAGRAMS = 50;
/** What would harm those who do nothing wrong, as it would in any conversation, or fill the log. */
const HARMFUL = /flush_all|verbosity/;

async function run(budget: number, random: Random, report: Report): Promise<void> {
  const port = freePort();
  await withServer(["-N", "-B", "256", "-U", `${port}`], async (server) => {
    const endBeside = await wellBehaved(server);
    const deadline = Date.now() + budget;
    const attacks = Array.from({ length: CLIENTS }, () => attack(server, deadline, random, report));
    await Promise.all([...attacks, attackByUdp(server, port, deadline, random, report)]);
    report.count("messages beside", await endBeside());
    const taken = memoryOf(server.pid, "VmHWM");
    report.note(`${Math.round(taken / 1024 ** 2)} MB at most`);
    if (taken > LIMIT) throw new Error(`the server took ${taken} bytes`);
  });
}

/** Something to send, which harms nobody else. */
function input(random: Random): Buffer {
  for (;;) {
    const bytes = random.pick(kinds)(random);
    if (!HARMFUL.test(bytes.toString("latin1"))) return bytes;
  }
}

async function attack(
  server: Server,
  deadline: number,
  random: Random,
  report: Report,
): Promise<void> {
  while (Date.now() < deadline) {
    const inputs = Array.from({ length: random.between(1, 60) }, () => input(random));
    const client = await server.connect();
    const pieces = cutAtRandom(random, Buffer.concat(inputs), random.pick([1, 2, 5, 50]));
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
    report.count("inputs over TCP", inputs.length);
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
      const inputs = Array.from({ length: random.between(0, 10) }, () => input(random));
      socket.send(Buffer.concat([header(), ...inputs]));
    }
    await client.inStep();
    report.count("datagrams", DATAGRAMS);
  }
  socket.close();
  await client.end();
}
