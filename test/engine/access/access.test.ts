/** How attempts to authenticate are checked: one at a time, in turn, with pauses that grow, on a clock that tests move. */
import { expect, test } from "bun:test";

import { authenticate, changeAccounts, newAccess } from "../../../src/engine/access/access.ts";
import type { Credentials } from "../../../src/engine/access/account.ts";

const HASH = "$2b$hash of right";

const credentials = (name: string, secret: string): Credentials => ({
  name,
  secret,
  isHash: secret.startsWith("$"),
  grants: undefined,
});

/** Checks that end when the test says so. */
function newRig(...lines: Credentials[]) {
  let now = 0;
  const timers: { at: number; work: () => void }[] = [];
  const checks: { secret: string; hash: string; end: () => Promise<void> }[] = [];
  const told: string[] = [];
  let running = 0;
  const runtime = {
    monotonic: () => now,
    calendar: () => now,
    soon: (work: () => void) => work(),
    after(milliseconds: number, work: () => void) {
      timers.push({ at: now + milliseconds, work });
      return () => {};
    },
    process: () => ({ pid: 1, user: 0, system: 0 }),
  };
  const access = newAccess(lines, runtime, (secret, hash) => {
    running++;
    expect(running).toBe(1);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const end = async () => {
      running--;
      resolve(hash === HASH && secret.toString() === "right");
      await Bun.sleep(0);
    };
    checks.push({ secret: secret.toString(), hash, end });
    return promise;
  });
  return {
    access,
    checks,
    told,
    attempt: (name: string, secret: string, address = "10.0.0.1") =>
      authenticate(access, name, secret, address, (account) =>
        told.push(`${secret} from ${address}: ${account?.name ?? "no"}`),
      ),
    async endCheck() {
      await checks.shift()?.end();
    },
    /** Moves the clock, and calls what is due. */
    async advance(milliseconds: number) {
      now += milliseconds;
      for (const timer of timers.splice(0)) {
        if (timer.at <= now) timer.work();
        else timers.push(timer);
      }
      await Bun.sleep(0);
    },
  };
}

test("a success is told at once after its check, and remembered", async () => {
  const rig = newRig(credentials("alice", HASH));
  rig.attempt("alice", "right");
  expect(rig.told).toEqual([]);
  await rig.endCheck();
  expect(rig.told).toEqual(["right from 10.0.0.1: alice"]);
  rig.attempt("alice", "right", "10.0.0.2");
  expect(rig.told.at(-1)).toBe("right from 10.0.0.2: alice");
  expect(rig.checks).toEqual([]);
});

test("a failure is told after a pause that grows from the start of its check, up to eight seconds", async () => {
  const rig = newRig(credentials("alice", HASH));
  for (const pause of [500, 1000, 2000, 4000, 8000, 8000]) {
    rig.attempt("alice", "wrong");
    await rig.advance(100);
    await rig.endCheck();
    await rig.advance(pause - 101);
    expect(rig.told).toEqual([]);
    await rig.advance(1);
    expect(rig.told.splice(0)).toEqual(["wrong from 10.0.0.1: no"]);
  }
  // After a quiet time it begins anew.
  await rig.advance(600_001);
  rig.attempt("alice", "wrong");
  await rig.endCheck();
  await rig.advance(500);
  expect(rig.told).toEqual(["wrong from 10.0.0.1: no"]);
});

test("a name that is not there, and a plain secret, cost a check as a hash does", async () => {
  const rig = newRig(credentials("alice", HASH), credentials("bob", "plain"));
  for (const name of ["nobody", "bob", "alice"]) {
    rig.attempt(name, "wrong", name);
    expect(rig.checks).toHaveLength(1);
    expect(rig.checks[0]?.hash).toStartWith("$");
    await rig.endCheck();
  }
  expect(rig.told).toEqual([]);
});

test("a name that is not there, and a plain secret, are checked with hashes of the file, so that costly ones tell no name", async () => {
  const costly = "$2b$14$hash";
  const rig = newRig(credentials("alice", costly), credentials("bob", "plain"));
  for (const name of ["alice", "bob", "nobody"]) rig.attempt(name, "wrong");
  const hashes: (string | undefined)[] = [];
  while (rig.checks.length > 0) {
    hashes.push(rig.checks[0]?.hash);
    await rig.endCheck();
  }
  expect(hashes).toEqual([costly, costly, costly]);
});

test("a name that is not there has the same hash each time, and others have others; being right for it is no success", async () => {
  const rig = newRig(credentials("alice", HASH), credentials("bob", "$2b$another"));
  const found = new Map<string, Set<string | undefined>>();
  for (let i = 0; i < 64; i++) {
    const name = `nobody${i % 32}`;
    rig.attempt(name, "right", `10.0.1.${i}`);
    found.set(name, (found.get(name) ?? new Set()).add(rig.checks[0]?.hash));
    await rig.endCheck();
  }
  expect([...found.values()].every(({ size }) => size === 1)).toBe(true);
  expect(new Set([...found.values()].flatMap((hashes) => [...hashes])).size).toBe(2);
  await rig.advance(8000);
  expect(rig.told).toHaveLength(64);
  expect(rig.told.every((each) => each.endsWith(": no"))).toBe(true);
});

test("a plain secret is right without a check", async () => {
  const rig = newRig(credentials("bob", "plain"));
  rig.attempt("bob", "plain");
  await Bun.sleep(0);
  expect(rig.told).toEqual(["plain from 10.0.0.1: bob"]);
  expect(rig.checks).toEqual([]);
});

test("addresses have their turns: one with many attempts does not keep another waiting", async () => {
  const rig = newRig(credentials("alice", HASH));
  for (let i = 0; i < 5; i++) rig.attempt("alice", `wrong${i}`);
  rig.attempt("alice", "right", "10.0.0.2");
  await rig.endCheck();
  expect(rig.checks[0]?.secret).toBe("wrong1");
  await rig.endCheck();
  expect(rig.checks[0]?.secret).toBe("right");
  await rig.endCheck();
  expect(rig.told).toEqual(["right from 10.0.0.2: alice"]);
});

test("an address has eight attempts under way, and the others wait", async () => {
  const rig = newRig(credentials("alice", HASH));
  for (let i = 0; i < 20; i++) rig.attempt("alice", `wrong${i}`);
  for (let i = 0; i < 8; i++) await rig.endCheck();
  expect(rig.checks).toEqual([]);
  await rig.advance(500);
  expect(rig.told).toEqual(["wrong0 from 10.0.0.1: no"]);
  expect(rig.checks[0]?.secret).toBe("wrong8");
});

test("an attempt whose client is gone costs no check", async () => {
  const rig = newRig(credentials("alice", HASH));
  rig.attempt("alice", "wrong");
  const cancel = rig.attempt("alice", "gone");
  rig.attempt("alice", "right");
  cancel?.();
  await rig.endCheck();
  expect(rig.checks[0]?.secret).toBe("right");
});

test("what is read again holds at once, for checks under way and remembered secrets, too", async () => {
  const rig = newRig(credentials("alice", HASH), credentials("bob", HASH));
  rig.attempt("alice", "right");
  await rig.endCheck();
  rig.attempt("bob", "right");
  expect(changeAccounts(rig.access, [credentials("alice", "new")]).map(({ name }) => name)).toEqual(
    ["bob"],
  );
  await rig.endCheck();
  rig.attempt("alice", "right");
  await rig.endCheck();
  await rig.advance(2000);
  expect(rig.told.splice(0)).toEqual([
    "right from 10.0.0.1: alice",
    "right from 10.0.0.1: no",
    "right from 10.0.0.1: no",
  ]);
  rig.attempt("alice", "new");
  await Bun.sleep(0);
  expect(rig.told).toEqual(["new from 10.0.0.1: alice"]);
});
