import { expect, test } from "bun:test";

import { unlimited } from "../../src/os/libc.ts";

interface Facts {
  own: {
    privileged: boolean;
    enough: string;
    within: string;
    exact: string;
    beyond: string;
    core: string;
  };
  plain: { within: string; beyond: string; core: string };
}

const refusal =
  "300 open files are needed, but the limit is 200 " +
  "(raise it with ulimit -n, or take fewer connections with -c)";

const child = Bun.spawn([process.execPath, `${import.meta.dir}/limits.fixture.ts`]);
const { own, plain } = (await child.stdout.json()) as Facts;

test("open files are raised as far as needed, and never lowered", () => {
  expect(own.enough).toBe("100/200");
  expect(own.within).toBe("150/200");
  expect(own.exact).toBe("200/200");
});

test("more open files than the hard limit: only with the privilege", () => {
  expect(own.beyond).toBe(own.privileged ? "300/300" : refusal);
});

test("core files go up to the hard limit, or without limit with the privilege", () => {
  expect(own.core).toBe(own.privileged ? `${unlimited}/${unlimited}` : "4096/4096");
});

test("a user who is not root stays below the hard limits", () => {
  expect(plain).toEqual({ within: "150/200", beyond: refusal, core: "4096/4096" });
});
