import { expect, test } from "bun:test";

const root = process.geteuid?.() === 0;
const fixture = `${import.meta.dir}/user.fixture.ts`;

async function ask(...command: string[]): Promise<string> {
  const child = Bun.spawn(command);
  return (await child.stdout.text()).trim();
}

async function becoming(name: string): Promise<Record<string, unknown>> {
  return JSON.parse(await ask(process.execPath, fixture, name)) as Record<string, unknown>;
}

/** What /proc says about a process of that user, in the fixture's words. */
async function identity(...of: string[]): Promise<string> {
  const [uid, gid, groups] = await Promise.all(
    ["-u", "-g", "-G"].map((what) => ask("id", what, ...of)),
  );
  const four = (id: string | undefined) => Array(4).fill(id).join(" ");
  const sorted = groups
    ?.split(" ")
    .toSorted((a, b) => Number(a) - Number(b))
    .join(" ");
  return `Uid: ${four(uid)}, Gid: ${four(gid)}, Groups: ${sorted}`;
}

if (root) {
  test("root becomes the user, in every thread, and cannot go back", async () => {
    const [uid, gid] = [
      Number(await ask("id", "-u", "nobody")),
      Number(await ask("id", "-g", "nobody")),
    ];
    expect(await becoming("nobody")).toEqual({
      missing: "can't run as root without -u <user> (-u root if you mean it)",
      unknown: "-u no-such-user: there is no user of that name",
      user: { name: "nobody", uid, gid },
      failure: "",
      threads: [await identity("nobody")],
      owner: uid, // root would own it if core files were not allowed
      wayBack: expect.stringContaining("EPERM"),
      again: "", // nobody to become any more
    });
  });

  test("root may stay root when told so", async () => {
    const { user, failure, threads } = await becoming("root");
    expect({ user, failure }).toEqual({ user: { name: "root", uid: 0, gid: 0 }, failure: "" });
    expect(threads).toEqual([await identity("root")]);
  });
} else {
  test("others stay who they are, whatever -u says", async () => {
    const { missing, unknown, user, threads } = await becoming("root");
    expect({ missing, unknown, user }).toEqual({ missing: "", unknown: "", user: undefined });
    expect(threads).toEqual([await identity()]);
  });
}
