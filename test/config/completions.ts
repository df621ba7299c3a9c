/**
 * Types flags into bash, zsh and fish, each on a terminal of its own, and looks at what the Tab key makes of them. Needs
 * these shells, so it is no part of `bun test`.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { completions } from "../../src/config/completions.ts";
import { listUsages } from "../../src/config/usage.ts";

/** How a shell is started without the settings of the user, and told of the completions in a folder. */
interface Shell {
  command: string[];
  setUp: (folder: string) => string;
}

const PATIENCE_MS = 20_000;
const PROMPT = "ready> ";

const SHELLS: Record<string, Shell> = {
  bash: {
    command: ["bash", "--norc", "--noprofile", "-i"],
    setUp: (folder) =>
      `PS1='${PROMPT}'; bind 'set enable-bracketed-paste off'; . ${folder}/memcacheq.bash`,
  },
  zsh: {
    command: ["zsh", "-f", "-i"],
    setUp: (folder) =>
      `PS1='${PROMPT}'; fpath=(${folder} $fpath); autoload -Uz compinit; compinit -u -D; unsetopt zle_bracketed_paste`,
  },
  fish: {
    command: ["fish", "--no-config", "-i"],
    setUp: (folder) =>
      `function fish_prompt; echo -n '${PROMPT}'; end; set -g fish_autosuggestion_enabled 0; source ${folder}/memcacheq.fish`,
  },
};

/** What is typed before Tab, and what the line is then. */
const CASES: [typed: string, completed: string][] = [
  ["memcacheq --http-a", "memcacheq --http-admin "],
  ["memcacheq -v --pin", "memcacheq -v --ping "],
  ["memcacheq -H fold", "memcacheq -H folder/"],
  ["memcacheq -u nobo", "memcacheq -u nobody "],
  ["memcacheq -s sock", "memcacheq -s socket.txt "],
];

async function tryShell(name: string, { command, setUp }: Shell, folder: string): Promise<void> {
  let written = "";
  const decoder = new TextDecoder();
  const child = Bun.spawn(command, {
    cwd: folder,
    env: { ...process.env, HOME: folder, TERM: "dumb", LC_ALL: "C.UTF-8" },
    terminal: { cols: 200, rows: 50, data: (_, data) => void (written += decoder.decode(data)) },
  });
  const plain = () => written.replace(/\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\r\x07]/g, "");
  async function until(what: string, isSo: () => boolean): Promise<void> {
    for (const deadline = Date.now() + PATIENCE_MS; !isSo(); await Bun.sleep(20)) {
      assert.ok(
        Date.now() < deadline,
        `${name}: not within ${PATIENCE_MS} ms: ${what}: ${JSON.stringify(plain())}`,
      );
    }
  }
  try {
    child.terminal?.write(`${setUp(folder)}; echo set""up\n`);
    await until(
      "the prompt",
      () => plain().split("setup").at(-1)?.includes(PROMPT) === true && plain().includes("setup"),
    );
    for (const [typed, completed] of CASES) {
      written = "";
      child.terminal?.write(`${typed}\t`);
      await until(completed, () => plain().includes(completed));
      written = "";
      child.terminal?.write("\x15\n"); // removes the line
      await until("the next prompt", () => plain().includes(PROMPT.trim()));
    }
    console.log(`ok: ${name} completes flags, folders, files and users`);
  } finally {
    child.kill("SIGKILL");
    child.terminal?.close();
  }
}

const folder = mkdtempSync(join(tmpdir(), "memcacheq-completions-"));
try {
  mkdirSync(join(folder, "folder"));
  await Bun.write(join(folder, "socket.txt"), "");
  for (const { file, text } of completions()) {
    await Bun.write(join(folder, file), text);
    for (const { name } of listUsages())
      assert.ok(text.includes(name.replace(/^--?/, "")), `${file} lacks ${name}`);
  }
  for (const [name, shell] of Object.entries(SHELLS)) await tryShell(name, shell, folder);
} finally {
  rmSync(folder, { recursive: true });
}
