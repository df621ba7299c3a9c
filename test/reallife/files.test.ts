/** What administrators do to the files of a running server, or of one that is started. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { eventually, start, suite } from "../server/harness.ts";

suite();

describe.each(["-wal", "-shm"])("rm memcacheq.db%s while it runs", (suffix) => {
  test("it is saved at once, and a kill -9 loses nothing", async () => {
    const server = await start();
    const client = await server.connect();
    for (let n = 0; n < 100; n++) await client.put("q", `${n}`);
    const file = join(server.home, `memcacheq.db${suffix}`);
    rmSync(file);
    // Nothing is asked of the server meanwhile.
    await server.logged(new RegExp(` warn ${file} was removed: what was in it has been saved`));
    expect(existsSync(file)).toBe(true);
    for (let n = 100; n < 200; n++) await client.put("q", `${n}`);
    await server.kill9();
    const next = await start([], { home: server.home });
    const reader = await next.connect();
    for (let n = 0; n < 200; n++) expect(await reader.take("q")).toBe(`${n}`);
    await next.stop();
  });

  test("again and again under load: what was stored is there after a kill -9, and nothing is told that is not so", async () => {
    const server = await start(["-N"]);
    const client = await server.connect();
    let stored = 0;
    for (let round = 0; round < 20; round++) {
      rmSync(join(server.home, `memcacheq.db${suffix}`), { force: true });
      for (let n = 0; n < 50; n++) await client.put("q", `${stored++}`);
    }
    await eventually("the last one", () =>
      existsSync(join(server.home, `memcacheq.db${suffix}`)) ? true : undefined,
    );
    await server.kill9();
    const next = await start([], { home: server.home });
    const reader = await next.connect();
    for (let n = 0; n < stored; n++) expect(await reader.take("q")).toBe(`${n}`);
    expect(readFileSync(join(server.home, "memcacheq.db")).length).toBeGreaterThan(0);
    await next.stop();
  });
});
