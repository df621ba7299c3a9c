/** A store whose file has to be read again, although no group has failed. */
import { expect, test } from "bun:test";

import { StoreError } from "../../src/store/store.ts";
import { suite } from "../store/scratch.ts";
import { advance, newClient, newRig, put, settle } from "./rig.ts";

suite();

test("a sync that fails behind a group is followed by a recovery", () => {
  const rig = newRig();
  const { autoCheckpoint, recover } = rig.store;
  let recoveries = 0;
  rig.store.recover = () => {
    recoveries++;
    if (recoveries === 1) throw new StoreError("still no disk");
    recover();
  };
  rig.store.autoCheckpoint = () => {
    rig.store.autoCheckpoint = autoCheckpoint;
    throw new StoreError("no disk", "unknown");
  };
  const client = newClient(rig);
  put(client, "q", "1");
  settle(rig);
  put(client, "q", "2");
  settle(rig);
  advance(rig, 1000);
  put(client, "q", "3");
  settle(rig);
  expect(client.received()).toBe("STORED\r\nSERVER_ERROR still no disk\r\nSTORED\r\n");
  expect(recoveries).toBe(2);
});
