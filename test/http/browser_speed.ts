/**
 * Measures the page with 5,000 queues and 600 clients in a real browser: `bun test/http/browser_speed.ts <folder>`. Needs Chromium, so it is
 * no part of `bun test`.
 */
import assert from "node:assert/strict";

import { connect } from "../server/client.ts";
import { browse, shown } from "./browsing.ts";
import { fill } from "./web.ts";

const QUEUES = 5000;
const CLIENTS = 600;
/** Milliseconds from an action to the picture that shows its effect, as far as the page has the processor. */
const MOST_MS = 100;
/** A refresh of the page may come in between: the shortest of so many tries counts. */
const TRIES = 5;

const [folder = "."] = process.argv.slice(2);
const browsing = await browse(folder, "speed", ["-N"]);
const { address, site, view, see, until, check, picture } = browsing;

const names = Array.from({ length: QUEUES }, (_, i) => `queue-${i}`);
const rows = "document.querySelectorAll('#rows tr').length";

/** What the page does at an action, and milliseconds until it is painted; then it may still ask the server. */
const painted = (action: string) => `new Promise((resolve) => {
  const since = performance.now();
  ${action};
  requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - since)));
})`;

/** The page has asked and shows the answer: how long that kept it from doing anything else. */
const answered = `new Promise((resolve) => {
  const real = show;
  show = (answer) => {
    show = real;
    const since = performance.now();
    show(answer);
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - since)));
  };
  refresh();
})`;

const clientsShown = answered
  .replaceAll("show", "showClients")
  .replace("refresh()", "refreshClients()");

const slow: string[] = [];

/** Seconds of the processor that the page's thread has taken: on a busy machine it waits for others beside. */
async function threadSeconds(): Promise<number> {
  const { metrics } = await view.cdp<{ metrics: { name: string; value: number }[] }>(
    "Performance.getMetrics",
    {},
  );
  return metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0;
}

async function measure(what: string, script: string, before = "undefined"): Promise<void> {
  let [wall, cpu] = [Infinity, Infinity];
  for (let i = 0; i < TRIES; i++) {
    await see(before);
    const since = await threadSeconds();
    wall = Math.min(wall, await see<number>(script));
    cpu = Math.min(cpu, 1000 * ((await threadSeconds()) - since));
  }
  const text = `${what}: ${cpu.toFixed(0)} ms of the processor, ${wall.toFixed(0)} ms until it is seen`;
  console.log(`   ${text}`);
  if (cpu >= MOST_MS) slow.push(text);
}

/** All that a person can do. */
async function measureAll(): Promise<void> {
  const list = "$('filter').value = '', $('filter').oninput()";
  await until("the rows", `${rows} === 100`);
  await measure("an answer is shown", answered);
  await measure(
    "a letter in the filter",
    painted("$('filter').value = '4', $('filter').oninput()"),
    list,
  );
  await measure(
    "the answer to a filter",
    answered,
    "$('filter').value = '4', $('filter').oninput()",
  );
  await see(list);
  await until("all of them", `last.matching === ${QUEUES}`);
  await measure("another order", painted("$('heads').children[0].firstChild.click()"));
  await measure(
    "the answer in another order",
    answered,
    "$('heads').children[0].firstChild.click()",
  );
  await measure("the next page", answered, "from = (from + 100) % 5000");
  await measure(
    "a queue is chosen",
    painted("$('rows').children[50].click()"),
    "choose(undefined)",
  );
  await measure("it is closed", painted("choose(undefined)"), "$('rows').children[50].click()");
  await see("$('events').open = $('clients').open = true");
  await until(
    "the lists",
    "$('trafficRows').children.length > 0 && $('eventRows').children.length > 0",
  );
  await measure("an answer is shown, with all lists", answered);
  await measure("clients are shown", clientsShown);
  await measure(
    "a queue is chosen, with all lists",
    painted("$('rows').children[50].click()"),
    "choose(undefined)",
  );
}

try {
  await fill(address, names);
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connect(address)));
  for (const [i, client] of clients.entries()) client.send(`get queue-${i}/open\r\n`);
  await view.navigate(site);
  await view.cdp("Performance.enable", { timeDomain: "threadTicks" });
  await check(
    `with ${QUEUES} queues and ${CLIENTS} clients whatever is done takes less than ${MOST_MS} ms`,
    async () => {
      await until("all queues", `${shown("#count")}.startsWith('5,000, ')`);
      await measureAll();
      await picture("speed");
      assert.deepEqual(slow, []);
    },
  );
} finally {
  browsing.end();
}
process.exit(0);
