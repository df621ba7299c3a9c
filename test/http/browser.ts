/**
 * Looks at the page in a real browser: `bun test/http/browser.ts <folder>` leaves pictures in the folder. Needs Chromium,
 * so it is no part of `bun test`.
 */
import assert from "node:assert/strict";

import { connect } from "../server/client.ts";
import { browse, shown } from "./browsing.ts";

const [folder = "."] = process.argv.slice(2);
/** A name holds no space, but a tab does as well. */
const EVIL = "<img\tsrc=x\tonerror=document.title='evil'>";

const browsing = await browse(folder, "home");
const { child, address, site, view, see, until, check, emulate, picture } = browsing;
const producer = await connect(address);
const consumer = await connect(address);
const waiter = await connect(address);

const names = () =>
  see<string[]>(
    "[...document.querySelectorAll('#rows td:first-child')].map((cell) => cell.textContent)",
  );
const cell = (name: string, column: number) =>
  `[...document.querySelectorAll('#rows tr')].find((row) => row.cells[0].innerText === ${JSON.stringify(name)})?.cells[${column}].innerText`;
const first = "document.querySelector('#rows td:first-child')?.innerText";
const focused = () => see<string>("document.activeElement.id || document.activeElement.innerText");
const head = (title: string) =>
  see(
    `[...document.querySelectorAll('th button')].find((button) => button.innerText === ${JSON.stringify(title)}).click()`,
  );

async function inSight(...ids: string[]): Promise<void> {
  for (const id of ids) {
    const isSeen = `(({ top, bottom, left, right }) => top >= 0 && bottom <= innerHeight && left >= 0 && right <= innerWidth)(document.getElementById("${id}").getBoundingClientRect())`;
    assert.ok(await see(isSeen), `${id} is out of sight`);
  }
}

const invoice = (i: number) =>
  JSON.stringify({ invoice: 4000 + i, customer: { name: "Ada Lovelace" }, currency: "EUR" });

async function fill(): Promise<void> {
  for (let i = 0; i < 310; i++) await producer.put("invoices", invoice(i));
  for (let i = 0; i < 1200; i++)
    await producer.put("mail-failed", `To: user${i}@example.org\nSubject: Order ${i}`);
  for (let i = 0; i < 12; i++) await producer.put("exports", `\0\x01\xff${i}`);
  await producer.put("caf\xc3\xa9-orders", "x");
  await producer.put(EVIL, "<script>document.title = 'evil'</script>");
  consumer.send("get exports/open\r\n");
  await consumer.messages();
  waiter.send("get refunds/t=600000\r\n");
}

/** Messages that come and go for as long as the pictures are made. */
async function traffic(isOver: () => boolean): Promise<void> {
  const worker = await connect(address);
  for (let i = 0; !isOver(); i++) {
    for (let j = 0; j < 8 + 4 * Math.sin(i / 20); j++)
      await worker.put("mail", `To: user${i}@example.org`);
    for (let j = 0; j < 8 + 3 * Math.cos(i / 15); j++) await worker.take("mail");
    if (i % 10 === 0) await worker.take("invoices");
    await Bun.sleep(50);
  }
  await worker.end();
}

try {
  await producer.put("jobs", "x");
  await view.navigate(site);
  await check("the page shows the queues, and those that come, by itself", async () => {
    await until("jobs", `${cell("jobs", 1)} === "1"`);
    await fill();
    await until("mail-failed", `${cell("mail-failed", 1)} === "1,200"`);
    await until("refunds, which is waited for", `${cell("refunds", 5)} === "1"`);
    await until("an open message", `${cell("exports", 6)} === "1"`);
    assert.equal(await see("document.querySelector('#health').innerText"), "healthy");
  });

  await check("names and messages are text, whatever they say", async () => {
    assert.ok((await names()).includes(EVIL.replaceAll("\t", "TAB")));
    await see(`choose(${JSON.stringify(EVIL)})`);
    await until(
      "its message",
      "document.querySelector('#messages pre')?.innerText.includes('<script>')",
    );
    assert.equal(await see("document.title"), "memcacheq");
    await see("choose(undefined)");
  });

  await check("it sorts by any column, both ways", async () => {
    assert.equal((await names())[0], "mail-failed");
    await head("Queue");
    await until("the first name", `${first} === ${JSON.stringify(EVIL.replaceAll("\t", "TAB"))}`);
    const ascending = await names();
    assert.deepEqual(ascending, ascending.toSorted());
    await head("Queue");
    await until("the last name", `${first} === "refunds"`);
    assert.deepEqual(await names(), ascending.toReversed());
    assert.equal(await see("document.querySelector('th').ariaSort"), "descending");
    await head("Messages");
    await until("the fullest", `${first} === "mail-failed"`);
    await head("Waiting");
    await until("the one that is waited for", `${first} === "refunds"`);
    await head("Messages");
    await until("the fullest again", `${first} === "mail-failed"`);
  });

  await check("it works without a mouse", async () => {
    await view.press("/");
    await until("the filter has the focus", "document.activeElement.id === 'filter'");
    await view.type("INVO");
    await until("only invoices", "document.querySelectorAll('#rows tr').length === 1");
    while ((await focused()) !== "invoices") await view.press("Tab");
    await view.press("Enter");
    await until("the chosen queue", "document.querySelector('#name').innerText === 'invoices'");
    await until("its messages", "document.querySelectorAll('#messages pre').length === 20");
    while (!(await see("document.activeElement.name === 'view'"))) await view.press("Tab");
    await view.press("ArrowRight");
    await until(
      "JSON",
      "document.querySelector('pre.json')?.innerText.includes('\\n  \"invoice\": 4000,')",
    );
    await view.press("Escape");
    await until("it is closed", "document.querySelector('#queue').hidden");
    await see("document.querySelector('#filter').value = '', keepAddress(), refresh()");
    await until("all queues", "document.querySelectorAll('#rows tr').length > 5");
  });

  await check("bytes are shown in hex", async () => {
    await see("choose('exports'), document.querySelector('[value=hex]').click()");
    await until(
      "hex",
      "document.querySelector('pre.hex')?.innerText.startsWith('0000  00 01 ff 30 ')",
    );
    assert.ok(await see("document.querySelector('#messages li').innerText.includes('open')"));
  });

  await check(
    "names and bodies show what would not be seen, or would turn others around",
    async () => {
      await producer.put(
        "\xe2\x80\xaelive\xc2\x85\xe2\x80\x8b",
        "a\0b\xe2\x80\xae \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb",
      );
      const name = "U+202EliveU+0085U+200B";
      await until("the name", `${cell(name, 1)} === "1"`);
      await see(
        `[...document.querySelectorAll('#rows button')].find((button) => button.innerText === ${JSON.stringify(name)}).click()`,
      );
      await see("document.querySelector('[value=text]').click()");
      await until("the body", "document.querySelector('#messages pre') !== null");
      assert.equal(await see(shown("#messages pre")), "aNULbU+202E 👩\u200d💻");
      assert.equal(await see(shown("#name")), name);
      await until("its buttons", "!document.querySelector('#delete').hidden");
      await view.click("#delete");
      assert.equal(await see(shown("#question")), `Delete ${name}?`);
      assert.equal(
        await see(shown("#consequence")),
        "The queue, its message and its counters are gone then.",
      );
      await view.click("#yes");
      await until("it is gone", `${cell(name, 1)} === undefined`);
    },
  );

  await check(
    "JSON is shown as it was written, also where only its beginning is there",
    async () => {
      await producer.put("json", '{"n":12345678901234567890,"n":1.50,"text":"\\u00e9"}');
      await producer.put(
        "json",
        JSON.stringify({ list: Array.from({ length: 2000 }, (_, i) => i) }),
      );
      await producer.put("json", "[1,]");
      await see("document.querySelector('[value=json]').click(), choose('json')");
      await until("its messages", "document.querySelectorAll('#messages pre').length === 3");
      const bodies = await see<string[]>(
        "[...document.querySelectorAll('#messages pre')].map((pre) => pre.textContent)",
      );
      assert.equal(
        bodies[0],
        '{\n  "n": 12345678901234567890,\n  "n": 1.50,\n  "text": "\\u00e9"\n}',
      );
      assert.ok(bodies[1]?.startsWith('{\n  "list": [\n    0,\n    1,\n'));
      assert.equal(bodies[2], "[1,]\n\n(this is not JSON)");
      const cut = await see<string>(shown("#messages li:nth-child(2) .quiet"));
      assert.match(cut, /^number 2 · 8,900 bytes · .* · the first 4,096 bytes shown$/);
      await see("choose(undefined)");
    },
  );

  await check(
    "bodies that PHP or MessagePack serialised are shown as structures, and copied",
    async () => {
      await producer.put(
        "php",
        'a:2:{s:1:"k";s:2:"\xc3\xa9";i:7;O:3:"Foo":1:{s:4:"\0*\0p";d:1.50;}}',
      );
      await producer.put("php", "i:5");
      await see("choose('php'), document.querySelector('[value=php]').click()");
      const pres = "[...document.querySelectorAll('#messages pre')].map((pre) => pre.textContent)";
      await until("its messages", "document.querySelectorAll('#messages pre').length === 2");
      assert.deepEqual(await see(pres), [
        '[\n  "k" => "é"\n  7 => Foo {\n    protected p: 1.50\n  }\n]',
        "i:5\n\n(this is not serialised by PHP)",
      ]);
      await producer.put(
        "packed",
        "\x82\xa1a\x92\xc0\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa1b\xc4\x02\0\xff",
      );
      await producer.put("packed", `\xdc\x20\x00${"\x07".repeat(0x2000)}`);
      await see("choose('packed'), document.querySelector('[value=messagepack]').click()");
      await until("its messages", "document.querySelectorAll('#messages pre').length === 2");
      const [whole, cut = ""] = await see<string[]>(pres);
      assert.equal(
        whole,
        '{\n  "a": [\n    null\n    18446744073709551615\n  ]\n  "b": bytes 00 ff\n}',
      );
      assert.ok(cut.startsWith("[\n  7\n  7\n") && cut.endsWith("\n  7\n  …"));
      await view.cdp("Browser.grantPermissions", {
        permissions: ["clipboardReadWrite", "clipboardSanitizedWrite"],
      });
      await view.click("#messages .line button");
      await until(
        "that it is copied",
        "document.querySelector('#messages .line button').innerText === 'Copied'",
      );
      assert.equal(await see("navigator.clipboard.readText()"), whole);
      await see("choose(undefined), document.querySelector('[value=text]').click()");
    },
  );

  await check("the address chooses the queue, and Back the one before", async () => {
    await see("choose('invoices')");
    assert.equal(await see("location.hash"), "#invoices");
    await see("choose('caf\\xc3\\xa9-orders')");
    assert.equal(await see("location.hash"), "#caf%C3%A9-orders");
    await see("history.back()");
    await until("the one before", `${shown("#name")} === 'invoices'`);
    await until(
      "its messages",
      "document.querySelector('#messages pre')?.innerText.includes('invoice')",
    );
    await see("history.back()");
    await until("none", "document.querySelector('#queue').hidden");
    await see("history.forward()");
    await until("it again", `${shown("#name")} === 'invoices'`);
    await until("how many are shown", `${shown("#listed")} === '20 of 310'`);
    const names: [name: string, link: string, shown: string][] = [
      ["caf\xc3\xa9", "café", "café"],
      ["100%", "100%", "100%"],
      ["%zz\xe9", "%zz%E9", "%zz\xe9 (latin1)"],
      ["a?b#c=%41", "a?b#c=%2541", "a?b#c=%41"],
    ];
    for (const [name, link, shownName] of names) {
      await producer.put(name, name);
      await see(`location.hash = ${JSON.stringify(link)}`);
      await until(`the queue of ${link}`, `${shown("#name")} === ${JSON.stringify(shownName)}`);
      await until("its message", "document.querySelectorAll('#messages pre').length === 1");
    }
    await see("location.hash = 'nothing'");
    await until("that there is none", `${shown("#facts")}.trim() === 'There is no such queue.'`);
    await view.navigate(`${site}?filter=inv&sort=shown&order=ascending#invoices`);
    await until(
      "the queue of the link",
      `document.querySelector('#name')?.innerText === 'invoices'`,
    );
    await until("its messages", "document.querySelectorAll('#messages pre').length === 20");
    await until("the queues that match", "document.querySelectorAll('#rows tr').length === 1");
    assert.equal(await see("document.querySelector('th').ariaSort"), "ascending");
    await view.navigate(site);
    await until("all queues", "document.querySelectorAll('#rows tr').length > 5");
  });

  await check("open and leased messages are shown, and where dead letters came from", async () => {
    for (const body of ["resize 1", "resize 2", "resize 3", "resize 4"])
      await producer.put("photos", body);
    for (const key of ["photos/open", "photos/dead", "photos/open", "photos/lease=600000"]) {
      consumer.send(`get ${key}\r\n`);
      await consumer.messages();
    }
    await see("choose('photos')");
    await until("both", "document.querySelectorAll('#holders li').length === 2");
    const [open, leased] = await see<string[]>(
      "[...document.querySelectorAll('#holders li')].map((item) => item.innerText)",
    );
    assert.match(open ?? "", /^number 2 · open by 127\.0\.0\.1:\d+ · for .* · since .* · 8 bytes/);
    assert.match(
      leased ?? "",
      /^number 3 · leased by 127\.0\.0\.1:\d+ · for 9 min \d+ s more · until .* · 8 bytes/,
    );
    await until("its messages", "document.querySelectorAll('#messages pre').length === 3");
    await picture("held");
    await emulate("dark", 1280, 1000);
    await picture("held-dark");
    await emulate("light", 1280, 1000);
    await see("choose('photos.dead')");
    await until(
      "where it came from",
      `document.querySelector('#messages .quiet')?.innerText.endsWith("from photos, number 1 there, moved as a dead letter")`,
    );
  });

  await check("single messages return, are given back and deleted", async () => {
    const button = (list: string, title: string) =>
      see(
        `[...document.querySelectorAll('${list} button')].find((button) => button.innerText === '${title}').click()`,
      );
    await until("that all can return", "!document.querySelector('#return').hidden");
    await button("#messages", "Return");
    await until("it is gone", `${shown("#messages")} === 'There is none.'`);
    await see("choose('photos')");
    await until("four", "document.querySelectorAll('#messages pre').length === 4");
    await until("two are held", "document.querySelectorAll('#holders li').length === 2");
    await picture("single");
    await button("#holders li:nth-child(2)", "Give back…");
    assert.equal(await see(shown("#question")), "Give back message 3?");
    await view.click("#yes");
    await until("one is held", "document.querySelectorAll('#holders li').length === 1");
    await button("#holders li", "Delete…");
    await view.click("#yes");
    await until("none is held", "document.querySelector('#held').hidden");
    await until("three", "document.querySelectorAll('#messages pre').length === 3");
    await button("#messages li:nth-child(2)", "Delete…");
    await view.click("#yes");
    await until("two", "document.querySelectorAll('#messages pre').length === 2");
    assert.deepEqual(
      await see("[...document.querySelectorAll('#messages pre')].map((pre) => pre.innerText)"),
      ["resize 3", "resize 1"],
    );
    for (let n = 0; n < 2; n++) {
      consumer.send("get photos/open\r\n");
      await consumer.messages();
      assert.equal(await consumer.ask("get photos/dead"), "END");
    }
    await see("choose('photos.dead')");
    await until("dead letters", "document.querySelectorAll('#messages pre').length === 2");
    await until("its button", "!document.querySelector('#return').hidden");
    await emulate("dark", 1280, 1000);
    await picture("dead-letters");
    await emulate("light", 1280, 1000);
    await view.click("#return");
    await picture("return");
    await view.click("#yes");
    await until("they are gone", `${shown("#messages")} === 'There is none.'`);
    assert.equal(await producer.ask("delete photos.dead"), "DELETED");
    assert.equal(await producer.ask("delete photos"), "DELETED");
    await see("choose(undefined)");
    await until("the queues are gone", `${cell("photos", 1)} === undefined`);
  });

  await check("numbers agree with each other, and words with them", async () => {
    const [tile, table] = await see<[string, string]>(`[${shown("#tiles")}, ${shown("#count")}]`);
    const [, queues] = / in (\d+) queues/.exec(tile) ?? [];
    assert.equal(table, `${queues}, 1 more only waited for`);
    assert.equal(await see("document.querySelectorAll('#rows tr').length"), Number(queues) + 1);
    assert.match(tile, /promised below 214 MB/);
    await see("choose('exports')");
    await until("its buttons", "!document.querySelector('#flush').hidden");
    await view.click("#flush");
    assert.equal(
      await see(shown("#consequence")),
      "11 messages are gone then; the open one stays.",
    );
    await view.click("#no");
    await see("choose('jobs')");
    await until(
      "its message",
      "document.querySelector('#messages li')?.innerText.includes(' · 1 byte · ')",
    );
    await view.click("#flush");
    assert.equal(await see(shown("#consequence")), "1 message is gone then.");
    await view.click("#no");
    await see("choose(undefined)");
  });

  await check("messages are found by a part of their bodies", async () => {
    await see("choose('invoices')");
    await until("its messages", "document.querySelectorAll('#messages pre').length === 20");
    await see(
      "document.querySelector('#find').value = '4123', document.querySelector('#find').onchange()",
    );
    await until("the one", "document.querySelectorAll('#messages pre').length === 1");
    assert.match(await see<string>(shown("#listed")), /^1 found in all messages$/);
    await see(
      "document.querySelector('#find').value = '', document.querySelector('#find').onchange()",
    );
    await until("all messages", "document.querySelectorAll('#messages pre').length === 20");
    await see("choose(undefined)");
  });

  await check("the charts show five minutes, an hour or a day", async () => {
    const starts =
      "[...document.querySelectorAll('.axis :first-child')].map((start) => start.innerText)";
    assert.deepEqual(new Set(await see<string[]>(starts)), new Set(["5 min ago"]));
    await see(
      "document.querySelector('#span').value = 'hour', document.querySelector('#span').onchange()",
    );
    await until("an hour", `${starts}.slice(0, 2).every((start) => start === '1 h ago')`);
    assert.equal(await see("location.search"), "?span=hour");
    await until("a line", "document.querySelector('#all path.line').getAttribute('d') !== ''");
    await view.navigate(`${site}?span=day`);
    await until("a day", `${starts}[0] === '1 d ago'`);
    await view.navigate(site);
    await until("all queues", "document.querySelectorAll('#rows tr').length > 5");
  });

  await check("clients are shown when asked for", async () => {
    await see("document.querySelector('#clients summary').click()");
    await until("three of them", `${shown("#clientCount")} === '3'`);
    const text = await see<string>(shown("#clientRows"));
    assert.ok(text.includes("waits for refunds") && text.includes("has open exports"), text);
    await see("document.querySelector('#clients').scrollIntoView()");
    await picture("clients");
    await see("scrollTo(0, 0)");
    await see("document.querySelector('#clients summary').click()");
  });

  await check("a queue is flushed and deleted once that is confirmed", async () => {
    await see("choose('exports')");
    await until("its buttons", "!document.querySelector('#delete').hidden");
    await view.click("#delete");
    await until("the question", "document.querySelector('#sure').open");
    assert.equal(await focused(), "no");
    await view.press("Enter");
    await until("it was called off", "!document.querySelector('#sure').open");
    assert.equal(await see(cell("exports", 1)), "12");
    await view.click("#flush");
    await view.click("#yes");
    await until("only the open one is left", `${cell("exports", 1)} === "1"`);
    await view.click("#delete");
    await view.click("#yes");
    await until("it is gone", `${cell("exports", 1)} === undefined`);
    assert.equal(await producer.ask("delete exports"), "NOT_FOUND");
  });

  await check("nothing comes from elsewhere", async () => {
    const loaded = await see<string[]>(
      "performance.getEntriesByType('resource').map(({ name }) => name)",
    );
    assert.ok(loaded.length > 5);
    assert.deepEqual(
      loaded.filter((name) => !name.startsWith(site)),
      [],
    );
  });

  let over = false;
  const done = traffic(() => over);
  await check("it fits a phone and a screen, by day and by night", async () => {
    await until("rates", `Number(${cell("mail", 2)}) > 10`);
    for (const scheme of ["light", "dark"] as const) {
      await emulate(scheme, 1280, 1000);
      await see("document.querySelector('[value=json]').click(), choose('invoices')");
      await until("its messages", "document.querySelectorAll('#messages pre').length === 20");
      await until(
        "its course",
        "document.querySelector('#course path.line').getAttribute('d') !== ''",
      );
      await see("scrollTo(0, 0)");
      await picture(`screen-${scheme}`);
      await see("choose(undefined)");
      await emulate(scheme, 390, 844);
      const [needed, given] = await see<[number, number]>(
        "[document.documentElement.scrollWidth, innerWidth]",
      );
      assert.ok(needed <= given, `${needed} pixels are needed, and there are ${given}`);
      await see("scrollTo(0, 0)");
      assert.ok(
        await see(
          "document.querySelector('#rows tr').getBoundingClientRect().bottom < innerHeight",
        ),
      );
      await picture(`phone-${scheme}`);
      await see("scrollTo(0, 500), choose('invoices')");
      await until("its messages", "document.querySelectorAll('#messages pre').length === 20");
      await until("its buttons", "!document.querySelector('#delete').hidden");
      await inSight("name", "flush", "delete", "close", "facts");
      await picture(`phone-${scheme}-chosen`);
      await see("scrollTo(0, 2500)");
      await inSight("flush", "delete", "close");
      const [chosen] = await see<[number]>("[document.documentElement.scrollWidth]");
      assert.ok(
        chosen <= given,
        `${chosen} pixels are needed with a queue, and there are ${given}`,
      );
      await see("choose(undefined)");
    }
    const grounds = (scheme: "light" | "dark") =>
      emulate(scheme, 1280, 1000).then(() =>
        see<string>("getComputedStyle(document.body).backgroundColor"),
      );
    assert.notEqual(await grounds("light"), await grounds("dark"));
  });
  over = true;
  await done;

  await check("all of many queues are sorted, by any column", async () => {
    for (let i = 0; i < 1200; i++)
      await producer.put(`many-${i}`, i === 700 ? "y".repeat(1000) : "x");
    await producer.put("many-900", "x");
    await see("document.querySelector('#filter').value = 'many-', keepAddress(), refresh()");
    await until("all of them", `${shown("#count")}.startsWith('1,200 of ')`);
    assert.match(await see<string>(shown("#count")), /, 1 to 100 listed$/);
    await until("the fullest", `${first} === 'many-900'`);
    await head("Size");
    await until("the largest", `${first} === 'many-700'`);
    await head("Oldest");
    await until("the oldest", `${first} === 'many-0'`);
    await see("document.querySelector('#next').click()");
    await until("the next ones", `${shown("#count")}.endsWith(', 101 to 200 listed')`);
    assert.equal(await see("document.querySelectorAll('#rows tr').length"), 100);
    for (let n = 0; n < 12; n++) {
      await see("document.querySelector('#next').click()");
      await until("its answer", `last.queues[0] && from === ${Math.min(1100, 200 + 100 * n)}`);
    }
    await until("the last ones", `${shown("#count")}.endsWith(', 1,101 to 1,200 listed')`);
    assert.equal(await see("document.querySelector('#next').ariaDisabled"), "true");
    await head("Queue");
    await until("the first again", `${shown("#count")}.endsWith(', 1 to 100 listed')`);
  });

  child.kill("SIGTERM");
  await child.exited;
  await until(
    "that the server is gone",
    "document.querySelector('#health').innerText.startsWith('no answer')",
  );
  console.log("ok: it says when the server is gone");
} finally {
  browsing.end();
}
process.exit(0);
