/**
 * The machine of two workers vanishes, one of which waits for a message, and the other works on one: how long it takes
 * until both messages are back. `bun test/reallife/vanished.ts`, as root, on Linux with iproute2. Takes a minute.
 */
import assert from "node:assert/strict";

import { connect } from "../server/client.ts";
import { launch, scratch } from "../server/harness.ts";

const SPACE = `memcacheq-${process.pid}`;
const [OURS, THEIRS] = [`mq${process.pid}`, `mr${process.pid}`];
const HERE = "10.255.77.1";
/** What README says, and some seconds for a busy machine. */
const MOST_SECONDS = 75;

function ip(command: string): void {
  const { success, stderr } = Bun.spawnSync(["ip", ...command.split(" ")]);
  if (!success) throw new Error(`ip ${command}: ${stderr.toString()}`);
}

/** Connects from the other machine, sends the line, and reads what is answered at once. */
function worker(port: number, line: string) {
  const code = `import socket, time
s = socket.create_connection(("${HERE}", ${port})); s.sendall(b"${line}\\r\\n"); time.sleep(1000)`;
  return Bun.spawn(["ip", "netns", "exec", SPACE, "python3", "-c", code]);
}

/** A worker that has ended never comes: it may not have reached the server. */
async function untilLater(): Promise<void> {
  await Bun.sleep(50);
  for (const { exitCode } of workers) assert.equal(exitCode, null, "a worker has ended");
}

const flags = ["-v", "-u", "root", "-p", "0", "-H", scratch()];
ip(`netns add ${SPACE}`);
const server = launch(flags);
const workers: Bun.Subprocess[] = [];
try {
  ip(`link add ${OURS} type veth peer name ${THEIRS}`);
  ip(`link set ${THEIRS} netns ${SPACE}`);
  ip(`addr add ${HERE}/24 dev ${OURS}`);
  ip(`link set ${OURS} up`);
  ip(`netns exec ${SPACE} ip addr add 10.255.77.2/24 dev ${THEIRS}`);
  ip(`netns exec ${SPACE} ip link set ${THEIRS} up`);
  const [, port] = await server.logged(/listening on \S*:(\d+)$/m);
  const client = await connect({ hostname: "127.0.0.1", port: Number(port) });
  const detail = async (queue: string, name: string): Promise<number> => {
    client.send(`stats queue ${queue}\r\n`);
    const text = await client.until("END\r\n");
    return Number(new RegExp(`^STAT ${name} (\\d+)\r$`, "m").exec(text)?.[1] ?? 0);
  };
  for (const queue of ["idle", "waiting"]) await client.put(queue, "x");
  workers.push(worker(Number(port), "get idle/open"));
  while ((await detail("idle", "open")) === 0) await untilLater();
  assert.equal(await client.take("waiting"), "x");
  workers.push(worker(Number(port), "get waiting/t=1000000/open"));
  while ((await detail("waiting", "waiters")) === 0) await untilLater();

  ip(`netns exec ${SPACE} ip link set ${THEIRS} down`);
  await client.put("waiting", "x");
  const since = performance.now();
  const left = new Set(["idle", "waiting"]);
  while (left.size > 0) {
    await Bun.sleep(200);
    const seconds = (performance.now() - since) / 1000;
    assert.ok(
      seconds < MOST_SECONDS,
      `not back after ${seconds.toFixed(0)} s: ${[...left].join(", ")}`,
    );
    for (const queue of left) {
      if ((await detail(queue, "open")) > 0) continue;
      console.log(`ok: ${queue} is back after ${seconds.toFixed(1)} s`);
      left.delete(queue);
    }
  }
} finally {
  for (const one of workers) one.kill("SIGKILL");
  server.kill("SIGTERM");
  await server.exit();
  ip(`netns del ${SPACE}`);
}
process.exit(0);
