/** Requests that are put off, because their client takes much in one group: each has one reply, in order. */
import { beforeEach, expect, test } from "bun:test";

import { StoreError } from "../../src/store/store.ts";
import { suite } from "../store/scratch.ts";
import { type Client, newClient, newRig, put, type Rig, send, settle } from "./rig.ts";

suite();

let rig: Rig;
let client: Client;
beforeEach(() => {
  rig = newRig();
  client = newClient(rig);
  for (const letter of ["1", "2", "3", "4"]) put(client, "q", letter.repeat(200_000));
  settle(rig);
  client.received();
});

/** The lines of all replies, of each body only its first character. */
function lines(): string[] {
  return client
    .received()
    .split("\r\n")
    .map((line) => line.replace(/^(.)\1{1000,}$/, "$1"))
    .filter((line) => line !== "" && !line.startsWith("VALUE"));
}

test("a request that is put off again stays before those behind it", () => {
  send(client, "get q q q q", "get none", "verbosity 0", "get q", "delete q");
  settle(rig);
  expect(lines()).toEqual(["1", "2", "3", "4", "END", "END", "OK", "END", "DELETED"]);
});

test("a get that is refused by its own keys is told so in its place", () => {
  send(
    client,
    "get q",
    "get q",
    "get r q/open q/open",
    "get q",
    "get q/open q/open",
    "verbosity 0",
  );
  settle(rig);
  const refused = "CLIENT_ERROR a message of q is open already";
  expect(lines()).toEqual(["1", "END", "2", "END", refused, "3", "END", refused, "OK"]);
});

test("a get that is put off in a group whose commit fails has one reply", () => {
  const { commit } = rig.store;
  rig.store.commit = () => {
    rig.store.commit = commit;
    throw new StoreError("no space");
  };
  send(client, "set q 0 0 1", "x", "get q", "get q q", "verbosity 0");
  settle(rig);
  const error = "SERVER_ERROR no space";
  expect(lines()).toEqual([error, error, "1", "2", "END", "OK"]);
});
