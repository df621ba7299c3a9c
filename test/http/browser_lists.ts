/**
 * Looks at the lists of messages, clients and events in a real browser: `bun test/http/browser_lists.ts <folder>`. Needs
 * Chromium, so it is no part of `bun test`.
 */
import assert from "node:assert/strict";

import { connect } from "../server/client.ts";
import { browse, shown } from "./browsing.ts";

const [folder = "."] = process.argv.slice(2);
const rules = ["--queue", "mail:deliveries=1", "--queue", "few:max-messages=3,drop-oldest=yes"];
const browsing = await browse(folder, "lists", rules);
const { address, site, view, see, until, check, emulate, picture } = browsing;
const producer = await connect(address);
const worker = await connect(address);

const pres = "document.querySelectorAll('#messages pre').length";
const text = (list: string) => see<string>(shown(list));

/** Messages that fail, so that they are dead letters. */
async function fail(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await producer.put("mail", `To: user${i}@example.org`);
  for (let i = 0; i < n; i++) {
    worker.send("get mail/open\r\n");
    await worker.messages();
    assert.equal(await worker.ask("get mail/abort"), "END");
  }
}

try {
  await fail(45);
  for (let i = 0; i < 10; i++) await producer.put("few", String(i));
  await view.navigate(`${site}#mail.dead`);

  await check("more messages are listed when asked for", async () => {
    await until("the first", `${pres} === 20`);
    await see("document.querySelector('#further button').click()");
    await until("more", `${pres} === 40`);
    assert.equal(await see("document.activeElement.tagName"), "PRE");
    await see("document.querySelector('#further button').click()");
    await until("all", `${pres} === 45`);
    await until("that these are all", "document.querySelector('#further').hidden");
  });

  await check("some of them are picked, and return or are deleted together", async () => {
    await until("the boxes", "!document.querySelector('#picks').hidden");
    for (const n of [1, 3, 45])
      await see(`document.querySelector('#messages li:nth-child(${n}) .pick input').click()`);
    assert.equal(await text("#pickedCount"), "3 picked");
    assert.ok(await see("document.querySelector('#all-picked').indeterminate"));
    await see("scrollTo(0, 0)");
    await picture("picked");
    await see("document.querySelector('#returnPicked').click()");
    assert.equal(await text("#question"), "Return 3 dead letters?");
    await view.click("#yes");
    await until("they are gone", `${shown("#facts")}.startsWith('messages\\n42')`);
    assert.equal(await producer.ask("stats queue mail").then((line) => line), "STAT messages 3");
    await producer.until("END\r\n");
    await until("the rest", `${pres} === 20`);
    await see("document.querySelector('#all-picked').click()");
    assert.equal(await text("#pickedCount"), "20 picked");
    await see("document.querySelector('#deletePicked').click()");
    assert.equal(await text("#question"), "Delete 20 messages?");
    await view.click("#yes");
    await until("they are gone, too", `${shown("#facts")}.startsWith('messages\\n22')`);
    await until("that none is picked", `${shown("#pickedCount")} === ''`);
  });

  await check("delayed messages are shown with their time", async () => {
    assert.equal(await producer.ask("set later/delay=600000 0 0 4\r\nsoon"), "STORED");
    worker.send("get mail/lease=600000\r\n");
    assert.equal((await worker.messages()).length, 1);
    await see("choose('later')");
    await until("the delay", "document.querySelectorAll('#holders li').length === 1");
    assert.match(await text("#holders"), /^number 1 · delayed for 9 min \d+ s more · until /);
    await until("its message", `${pres} === 1`);
    assert.match(await text("#messages .quiet"), / · waits 9 min \d+ s more$/);
    await picture("delayed");
  });

  await check("events are listed, and lead to their queues", async () => {
    await until("their number", `${shown("#eventCount")} === '5'`);
    await see("document.querySelector('#events summary').click()");
    await until("all", "document.querySelectorAll('#eventRows tr').length === 5");
    const list = await text("#eventRows");
    for (const event of [
      /started: memcacheq .*, process \d+, 0 messages in 0 queues/,
      /45 messages became dead letters\s+mail$/m,
      /7 messages dropped for newer ones\s+few$/m,
      /on this page: dead letter returned, 3 times\s+mail\.dead$/m,
      /on this page: message deleted, 20 times\s+mail\.dead$/m,
    ])
      assert.match(list, event);
    await picture("events");
    const buttons = "[...document.querySelectorAll('#eventRows button')]";
    await see(`${buttons}.find((one) => one.textContent === 'mail.dead').click()`);
    await until("its queue", `${shown("#name")} === 'mail.dead'`);
    await see("choose(undefined)");
  });

  await check("it works without a mouse", async () => {
    const focus = async (what: string, isIt: string) => {
      for (let n = 0; !(await see(isIt)); n++) {
        assert.ok(n < 200, `Tab does not lead to ${what}`);
        await view.press("Tab");
      }
    };
    await see("choose('mail.dead'), document.activeElement.blur()");
    await until("its messages", `${pres} === 20`);
    await focus("a box", "document.activeElement.ariaLabel?.startsWith('Pick message')");
    await view.press("Space");
    await until("that one is picked", `${shown("#pickedCount")} === '1 picked'`);
    await see("$('filter').focus()");
    await focus("the button", "document.activeElement.id === 'deletePicked'");
    await view.press("Enter");
    await until("the question", "$('sure').open && document.activeElement.id === 'no'");
    await view.press("Tab");
    await view.press("Enter");
    await until("it is gone", `${shown("#facts")}.startsWith('messages\\n21')`);
    await until("a place for the focus", "document.activeElement.id === 'name'");
    await focus("more messages", "document.activeElement.innerText === 'Show more'");
    await view.press("Enter");
    await until("all", `${pres} === 21`);
    await focus("the events", "document.activeElement.innerText.startsWith('Events')");
    await view.press("Enter");
    await until("they are closed", "!$('events').open");
    await view.press("Enter");
    await until("they are open", "$('events').open");
  });

  await check("a screen reader is told what everything is", async () => {
    interface Node {
      ignored: boolean;
      role?: { value: string };
      name?: { value: string };
    }
    const { nodes } = await view.cdp<{ nodes: Node[] }>("Accessibility.getFullAXTree", {});
    const seen = nodes
      .filter(({ ignored }) => !ignored)
      .map(({ role, name }) => [role?.value ?? "", name?.value ?? ""] as const);
    const named = [
      "button",
      "checkbox",
      "radio",
      "combobox",
      "searchbox",
      "table",
      "list",
      "figure",
    ];
    named.push("region", "image", "heading", "columnheader", "DescriptionList");
    assert.deepEqual(
      seen.filter(([role, name]) => named.includes(role) && name === ""),
      [],
    );
    const roles = new Set(seen.map(([role]) => role));
    assert.deepEqual(
      [...named, "banner", "main", "status", "row"].filter((role) => !roles.has(role)),
      [],
    );
    const ofMessages = seen.flatMap(([role, name]) =>
      role === "button" && name.includes(" message ") ? [name] : [],
    );
    assert.ok(ofMessages.length > 40);
    assert.equal(new Set(ofMessages).size, ofMessages.length);
    await see("choose(undefined)");
  });

  await check("clients are listed with their rates", async () => {
    await see("document.querySelector('#clients summary').click()");
    await until("the one", "document.querySelectorAll('#trafficRows tr').length === 1");
    await until(
      "a course",
      "document.querySelector('#trafficRows path').getAttribute('d') !== null",
    );
    const cells = "[...document.querySelectorAll('#trafficRows td')].map((cell) => cell.innerText)";
    const [client, connections, , , set, got] = await see<string[]>(cells);
    assert.deepEqual([client, connections, set, got], ["127.0.0.1", "2", "56", "46"]);
    await see(
      "document.querySelector('#span').value = 'hour', document.querySelector('#span').onchange()",
    );
    await until("an hour", `${shown("#trafficHeads")}.includes('Set, 1 h')`);
    for (const scheme of ["light", "dark"] as const) {
      await emulate(scheme, 1280, 1000);
      await see("scrollTo(0, 5000)");
      await picture(`lists-${scheme}`);
      await emulate(scheme, 390, 844);
      const [needed, given] = await see<[number, number]>(
        "[document.documentElement.scrollWidth, innerWidth]",
      );
      assert.ok(needed <= given, `${needed} pixels are needed, and there are ${given}`);
      await see("document.querySelector('#events').scrollIntoView()");
      await picture(`lists-phone-${scheme}`);
    }
  });
} finally {
  browsing.end();
}
process.exit(0);
