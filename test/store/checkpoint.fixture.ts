/** Grows a log behind a reader in the directory given, and says when a thread has brought it in. */
import { Database } from "bun:sqlite";

import { newBatch } from "../../src/store/batch.ts";
import { openStore } from "../../src/store/sqlite.ts";

const directory = process.argv[2] as string;
const store = openStore({
  directory,
  pageSize: 4096,
  cache: 1024 * 1024,
  sync: false,
  shrinkLog: false,
  lockWait: 0,
  extentPages: 0,
});
const queue = store.newQueueId() as number;
store.commit({ ...newBatch(), created: [{ queue, name: "q" }] });
const reader = new Database(`${directory}/memcacheq.db`, { readonly: true });
reader.run("BEGIN");
reader.query("SELECT count(*) FROM segment").get();
for (let n = 1; n <= 500; n++) {
  const body = Buffer.alloc(60_000, n);
  store.commit({ ...newBatch(), segments: [{ queue, first: n, count: 1, flags: 0, body }] });
}
reader.close();
// One call starts the thread; nothing here does the work.
store.autoCheckpoint();
const end = performance.now() + 30_000;
while (store.checkpointed() < 100 && performance.now() < end) await Bun.sleep(10);
console.log(store.checkpointed() === 100 ? "short" : "long");
store.close();
