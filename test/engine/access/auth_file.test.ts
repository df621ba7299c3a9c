/** What the lines of an auth file mean, and which are refused. */
import { describe, expect, test } from "bun:test";

import { isAdmin, maySee, newAccount, rightsTo } from "../../../src/engine/access/account.ts";
import { parseAuthFile } from "../../../src/engine/access/auth_file.ts";

const HASH =
  "$argon2id$v=19$m=19456,t=2,p=1$sCETp56cYZrQvfeRB04k0w$qdKTnnsNlPAbXe7pdAYjp9LhP7t32jc";
const BCRYPT = "$2b$10$z27EkbNVpajlP5I9lEl7kuN0V/bhUVKam7loIlQ1UrgWvbQy5OXnK";

const account = (line: string) => {
  const [credentials] = parseAuthFile(line);
  if (credentials === undefined) throw new Error("no account");
  return newAccount(credentials);
};

test("empty lines, comments, a byte order mark and CR LF mean nothing", () => {
  const text = "\xef\xbb\xbf# names\r\n\r\nalice:one\r\nbob:two words";
  expect(parseAuthFile(text).map(({ name, secret }) => [name, secret])).toEqual([
    ["alice", "one"],
    ["bob", "two words"],
  ]);
});

test.each([
  ["alice:secret", false],
  ["alice:$ecret", false],
  [`alice:${HASH}`, true],
  [`alice:${BCRYPT}`, true],
  [`alice:${BCRYPT.replace("$2b", "$2y")}`, true],
])("%s: a hash is %p", (line, isHash) => {
  expect(account(line).isHash).toBe(isHash);
});

test.each([
  ["", "there is no line name:secret in it"],
  ["alice", "line 1: a line is name:secret or name:secret:rights"],
  ["alice:a:set=q:x", "line 1: a line is name:secret or name:secret:rights"],
  [":secret", "a name has 1 to 250 bytes, and no space"],
  ["al ice:secret", "a name has 1 to 250 bytes, and no space"],
  ["alice:", "a secret has 1 to 250 bytes"],
  [`alice:${"x".repeat(251)}`, "a secret has 1 to 250 bytes"],
  ["alice:a\nalice:b", "line 2: the name is in an earlier line, too"],
  ["alice:a:", "right number 1 is none: rights are set"],
  ["alice:a:write=q", "right number 1 is none: rights are set"],
  ["alice:a:get=q,set", "right number 2 is none: rights are set"],
  ["alice:a:admin=q", "right number 1 is none: rights are set"],
  ["alice:a:get=", "right number 1 has no pattern of names: *"],
  ["alice:a:get=a/b", "right number 1 has no pattern of names: *"],
  ["alice:a:get=q,get=%g1", "right number 2 has no pattern of names: *"],
  ["alice:$argon2id$bogus", "the hash is none that --hash-password prints"],
  [`alice:${HASH.replace("19456", "65537")}`, "an argon2 hash may take 64 MiB"],
  [`alice:${HASH.replace("t=2", "t=17")}`, "an argon2 hash has 16 passes"],
  [`alice:${BCRYPT.replace("$10$", "$15$")}`, "a bcrypt hash has a cost from 4 to 14"],
])("%j is refused", (text, reason) => {
  expect(() => parseAuthFile(text)).toThrow(reason);
});

test("what is refused never repeats a secret", () => {
  for (const text of [
    "a:hunter2:x:y",
    "a b:hunter2",
    "a:hunter2:b=c",
    "a:hunter2\na:hunter2",
    // A colon in the secret makes rights of its end.
    "a:x:hunter2",
    "a:x:set=hunter2%",
  ]) {
    expect(() => parseAuthFile(text)).not.toThrow("hunter2");
    expect(() => parseAuthFile(text)).toThrow();
  }
});

describe("rights", () => {
  test("without a third field everything is allowed", () => {
    expect(rightsTo(account("alice:a"), "q")).toBe(15);
    expect(isAdmin(account("alice:a"))).toBe(true);
  });

  test.each([
    ["set=jobs*,get=mail", "jobs1", 1],
    ["set=jobs*,get=mail", "jobs", 1],
    ["set=jobs*,get=mail", "mail", 2],
    ["set=jobs*,get=mail", "mails", 0],
    ["set=*,get=*,peek=*,delete=*", "x", 15],
    ["peek=a*b*c", "aXbYc", 4],
    ["peek=a*b*c", "abc", 4],
    ["peek=a*b*c", "ab", 0],
    ["peek=aa*aa", "aaa", 0],
    ["delete=*.dead", "jobs.dead", 8],
    ["set=a%2Cb", "a,b", 1],
    ["set=a%2a", "a*", 1],
    ["set=a%2a", "ab", 0],
    ["set=a,set=b", "b", 1],
    ["admin", "q", 0],
  ])("%s of queue %s are the bits %d", (rights, queue, bits) => {
    const some = account(`alice:a:${rights}`);
    expect(rightsTo(some, queue)).toBe(bits);
    expect(rightsTo(some, queue)).toBe(bits);
  });

  test("lists tell of queues with any right, and an administrator of all", () => {
    expect(maySee(account("a:b:peek=q"), "q")).toBe(true);
    expect(maySee(account("a:b:peek=q"), "r")).toBe(false);
    expect(maySee(account("a:b:admin"), "r")).toBe(true);
    expect(maySee(undefined, "r")).toBe(true);
  });
});
