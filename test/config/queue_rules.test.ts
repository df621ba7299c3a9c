import { describe, expect, test } from "bun:test";

import { parseQueueRule, parseQueueRules } from "../../src/config/queue_rules.ts";
import { DEFAULT_SETTINGS, type QueueRule, SETTINGS } from "../../src/config/queue_settings.ts";
import { findSettings, newQueueRules } from "../../src/queues/settings.ts";
import { changes, complaint } from "./lines.ts";

function rule(text: string): QueueRule {
  const parsed = parseQueueRule(text);
  if (typeof parsed === "string") throw new Error(parsed);
  return parsed;
}

describe("a setting", () => {
  test.each([
    ["max-messages=5", { maxMessages: 5 }],
    ["max-bytes=10k", { maxBytes: 10_240 }],
    ["max-bytes=1", { maxBytes: 1 }],
    ["drop-oldest=yes", { dropOldest: true }],
    ["drop-oldest=no", { dropOldest: false }],
    ["max-age=60", { maxAgeMs: 60_000 }],
    ["expiry=drop", { readsExptime: true, expireTo: "" }],
    ["expiry=old", { readsExptime: true, expireTo: "old" }],
    ["expiry=%64rop", { readsExptime: true, expireTo: "drop" }],
    ["deliveries=5", { deliveries: 5 }],
    ["retry=100", { retryMs: 100, maxRetryMs: 100 }],
    ["retry=100..6000", { retryMs: 100, maxRetryMs: 6000 }],
    ["dead=graves", { dead: "graves" }],
    ["once=1000", { onceMs: 1000 }],
    ["copy-to=a+b", { copyTo: ["a", "b"] }],
    ["copy-to=a%2bb", { copyTo: ["a+b"] }],
    ["max-messages=5,dead=g,once=7", { maxMessages: 5, dead: "g", onceMs: 7 }],
  ])("%s", (text, given) => {
    expect(rule(`q:${text}`).given).toEqual(given);
  });

  test.each([
    ["max-messages=0", "max-messages=0: max-messages is a number of messages above 0"],
    ["max-messages=", "max-messages=: max-messages is a number of messages above 0"],
    ["max-messages", "settings of queues are <pattern>:<setting>=<value>"],
    ["once=1,dead", '"dead" is no setting with a value, known are'],
    ["most=5", '"most=5" is no setting with a value, known are max-messages, max-bytes'],
    ["once=1,", '"" is no setting with a value'],
    ["max-bytes=5x", "max-bytes is a number of bytes above 0"],
    ["drop-oldest=1", "drop-oldest is yes or no"],
    ["max-age=0", "max-age is a number of seconds from 1"],
    ["expiry=", "expiry is drop, or the queue"],
    ["expiry=a/b", "expiry is drop, or the queue"],
    ["deliveries=1025", "deliveries is a number of deliveries from 1 to 1024"],
    ["retry=5..4", "the first not above the second"],
    ["retry=x", "retry is milliseconds"],
    ["dead=a+b", "dead is the queue"],
    ["dead=%zz", "dead is the queue"],
    ["once=0", "once is milliseconds from 1"],
    ["copy-to=a+", "copy-to is queues"],
    ["copy-to=a+a", "copy-to is queues"],
    ["max-age=5,max-age=6", "max-age is given twice"],
    ["copy-to=a+q", "copy-to has the queue itself in it"],
    ["expiry=q", "expiry is the queue itself"],
    ["deliveries=5,dead=q", "dead is the queue itself"],
  ])("%s is refused", (text, problem) => {
    expect(parseQueueRule(`q:${text}`)).toContain(problem);
  });

  test("each one is shown as it was typed", () => {
    const all =
      "max-messages=5,max-bytes=7,drop-oldest=yes,max-age=60,expiry=a%2bb,deliveries=3,retry=1..9,dead=g,once=8,copy-to=a+b%2c";
    const settings = { ...DEFAULT_SETTINGS, ...rule(`q:${all}`).given };
    const shown = SETTINGS.map(({ name, show }) => `${name}=${show(settings, "q")}`);
    expect(shown.join(",")).toBe(all);
  });

  test("the dead letters of a queue with a long name need a queue", () => {
    const name = "n".repeat(246);
    expect(parseQueueRule(`${name}:deliveries=1`)).toContain("is longer than 250 bytes");
    expect(rule(`${name}:deliveries=1,dead=g`).given.dead).toBe("g");
    expect(rule(`${name}*:deliveries=1`).given.deliveries).toBe(1);
  });
});

describe("a pattern", () => {
  test.each([
    ["q", ["q"], ["qq", "aq", "Q"]],
    ["*", ["q", "anything"], []],
    ["jobs.*", ["jobs.", "jobs.a"], ["jobs", "ajobs.a"]],
    ["*.dead", [".dead", "a.dead"], ["a.deadly"]],
    ["a*b*c", ["abc", "a1b2c", "abbcc"], ["acb", "ab", "ac"]],
    ["aa*aa", ["aaaa", "aaxaa"], ["aaa"]],
    ["a**b", ["ab", "axb"], ["a"]],
    ["a*b*b", ["abb", "axbb"], ["ab"]],
    ["a:b", ["a:b"], ["a"]],
    ["a,b+c", ["a,b+c"], ["a"]],
    ["a%2ab", ["a*b"], ["axb"]],
    ["a%3db%25", ["a=b%"], ["a"]],
    ["ü", [Buffer.from("ü").toString("latin1")], ["u"]],
  ])("%s", (pattern, matching, others) => {
    const rules = newQueueRules([rule(`${pattern}:once=1`)], {});
    const isFound = (name: string) => findSettings(rules, name).rule !== undefined;
    expect(matching.filter((name) => !isFound(name))).toEqual([]);
    expect(others.filter(isFound)).toEqual([]);
  });

  test("the first that matches counts, for all settings, and none is the defaults", () => {
    const rules = newQueueRules(
      [rule("a*:once=1"), rule("ab*:once=2,max-messages=2"), rule("b:max-messages=3")],
      { maxMessages: 9 },
    );
    const found = (name: string) => {
      const { onceMs, maxMessages } = findSettings(rules, name);
      return [onceMs, maxMessages];
    };
    expect(["ab", "b", "c"].map(found)).toEqual([
      [1, 9],
      [600_000, 3],
      [600_000, 9],
    ]);
  });

  test.each(["", ":once=1", "once=1", "q", "q:", "a b:once=1", "a/b:once=1", "%:once=1"])(
    "%p is no rule",
    (text) => {
      expect(typeof parseQueueRule(text)).toBe("string");
    },
  );
});

describe("a file", () => {
  test("has a rule a line, and comments", () => {
    const rules = parseQueueRules("# all\n\na:once=1\r\n  # more\n b*:once=2 \n");
    expect(rules).toEqual([rule("a:once=1"), rule("b*:once=2")]);
  });

  test("what is wrong is told with its line", () => {
    expect(parseQueueRules("a:once=1\n#\nb:one=1\n")).toStartWith('line 3: "one=1" is no setting');
  });
});

test("--queue is given again and again, and MEMCACHEQ_QUEUE has several", () => {
  const rules = [rule("a:once=1"), rule("b:once=2")];
  expect(changes(["--queue", "a:once=1", "--queue=b:once=2"])).toEqual({ queue: rules });
  expect(complaint(["--queue", "a:one=1"])).toStartWith('--queue a:one=1: "one=1" is no setting');
  const wrong = { MEMCACHEQ_QUEUE: "a:once=1  b:one=2" };
  expect(complaint([], wrong)).toContain('"one=2" is no setting with a value');
});
