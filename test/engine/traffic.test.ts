/** What single clients have set and got, counted by their address. */
import { expect, test } from "bun:test";

import {
  joinTraffic,
  leaveTraffic,
  MAX_TRAFFIC,
  newTrafficTable,
} from "../../src/engine/traffic.ts";
import { suite } from "../store/scratch.ts";
import { disconnect, newClient, newRig, put, send, settle } from "./rig.ts";

suite();

test("counts what clients of an address set and got, also of those that have left", () => {
  const rig = newRig();
  const [producer, worker] = [newClient(rig), newClient(rig)];
  for (const body of ["1", "2", "3"]) put(producer, "q", body);
  settle(rig);
  send(worker, "get q/peek", "get q", "get q/open", "get nothing");
  settle(rig);
  disconnect(producer);
  const [record] = rig.engine.traffic.records.values();
  expect(record).toEqual({ client: "this process", connections: 1, sets: 3, gets: 2 });
});

test("keeps so many apart, and forgets the one that left first", () => {
  const table = newTrafficTable();
  for (let i = 0; i < MAX_TRAFFIC; i++) joinTraffic(table, `client ${i}`);
  const others = joinTraffic(table, "one too many");
  expect([others.client, others.connections, table.records.size]).toEqual([
    "others",
    1,
    MAX_TRAFFIC,
  ]);
  for (const i of [5, 3]) leaveTraffic(table.records.get(`client ${i}`) ?? others);
  expect(joinTraffic(table, "client 3")).toMatchObject({ client: "client 3", connections: 1 });
  expect(joinTraffic(table, "one more").client).toBe("one more");
  expect([table.records.has("client 5"), table.records.size]).toEqual([false, MAX_TRAFFIC]);
});
