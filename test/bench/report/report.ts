import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { version } from "../../../package.json";
import { ours } from "../contender.ts";
import { markdown } from "../format.ts";
import { fileSystem, kernel, memory, processor, syncCost, today } from "../machine.ts";
import { type Part, PARTS, type ReportOptions } from "../options.ts";
import type { Peers } from "../peers.ts";
import { ROOT } from "../program.ts";
import { disk } from "./questions/disk.ts";
import { fairness } from "./questions/fairness.ts";
import { flood } from "./questions/flood.ts";
import { goals } from "./questions/goals.ts";
import { load } from "./questions/load.ts";
import { packing } from "./questions/packing.ts";
import { slow } from "./questions/slow.ts";
import { stalls } from "./questions/stalls.ts";
import { start } from "./questions/start.ts";
import { ways } from "./questions/ways.ts";
import { goalTable, type Section } from "./section.ts";
import { type Setting, settingOf } from "./setting.ts";

const QUESTIONS: Record<Part, (setting: Setting) => Promise<Section>> = {
  load,
  goals,
  ways,
  flood,
  packing,
  disk,
  fairness,
  stalls,
  start,
  slow,
};

const CHARTS = "charts";

/** Measures, and writes RESULTS.md with its charts. Returns how many runs went wrong. */
export async function writeReport(options: ReportOptions): Promise<number> {
  const setting = settingOf(options);
  const startedAt = Date.now();
  const head = headOf(options, setting.peers);
  const sections: Section[] = [];
  for (const part of options.parts) {
    console.error(part);
    sections.push(await answer(part, setting));
  }
  const minutes = ((Date.now() - startedAt) / 60_000).toFixed(1);
  mkdirSync(join(options.folder, CHARTS), { recursive: true });
  for (const { file, svg } of sections.flatMap(({ charts }) => charts)) {
    await Bun.write(join(options.folder, CHARTS, `${file}.svg`), svg);
  }
  const page = join(options.folder, "RESULTS.md");
  await Bun.write(page, pageOf(options, setting, head, sections, minutes));
  console.log(page);
  for (const fault of setting.faults) console.error(`bench: ${fault}`);
  return setting.faults.length;
}

/** A part that fails does not take the others with it. */
async function answer(part: Part, setting: Setting): Promise<Section> {
  try {
    return await QUESTIONS[part](setting);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    setting.faults.push(`${part}: ${reason}`);
    return { title: part, text: [`Not measured: ${reason}.`], charts: [], goals: [] };
  }
}

function headOf({ typed }: ReportOptions, { versions }: Peers): string {
  return markdown(
    ["", ""],
    [
      ["date", today()],
      ["command", `\`bun run bench ${typed.join(" ")}\``],
      ["processor", processor()],
      ["memory", memory()],
      ["kernel", kernel()],
      ["file system of the data", fileSystem()],
      ["sync of 4 KB there (fdatasync), p50", `${(syncCost() / 1000).toFixed(2)} ms`],
      ["memcacheq", `${version}, commit ${commit()}`],
      ["Bun", `${Bun.version}, ${Bun.revision.slice(0, 9)}`],
      ...Object.entries(versions),
    ],
    2,
  );
}

/** The commit that the sources are at, and whether they are as it has them. */
function commit(): string {
  const git = (...words: string[]): string =>
    Bun.spawnSync(["git", ...words], { cwd: ROOT })
      .stdout.toString()
      .trim();
  const changed = git("status", "--porcelain", "--untracked-files=no", "--", "src") !== "";
  return `${git("rev-parse", "--short", "HEAD") || "unknown"}${changed ? ", changed" : ""}`;
}

function pageOf(
  { quick, parts }: ReportOptions,
  { peers, faults }: Setting,
  head: string,
  sections: Section[],
  minutes: string,
): string {
  const wanted = sections.flatMap((section) => section.goals);
  return `${[
    "# Measured figures",
    ...(quick ? ["**A quick run, to try the bench out: its figures mean little.**"] : []),
    ...(parts.length < PARTS.length ? [`Only some of the parts: ${parts.join(", ")}.`] : []),
    `Written by \`bun run bench --report\` in ${minutes} minutes. The load generator and the server share this machine.`,
    head,
    ...(wanted.length === 0 ? [] : ["## How fast", goalTable(wanted)]),
    ...sections.flatMap(({ title, text, charts }) => [
      `## ${title}`,
      ...text,
      ...charts.map(({ file }) => `![${title}: ${file}](${CHARTS}/${file}.svg)`),
    ]),
    "## How the servers were started",
    "Each on a folder of its own, and on a free port instead of 22201.",
    commandsOf(peers),
    ...(faults.length === 0
      ? ["Every run was answered as it should be."]
      : ["## What went wrong", faults.map((fault) => `- ${fault}`).join("\n")]),
  ].join("\n\n")}\n`;
}

function commandsOf(peers: Peers): string {
  const { redisAlways, redisNo, beanstalkdAlways, beanstalkdNever } = peers;
  const { memcached, rabbitmq, nats } = peers;
  const products = [ours("durable"), ours("nosync"), redisAlways, redisNo];
  const place = { data: "<folder>", port: 22201, socket: null };
  const lines = [...products, beanstalkdAlways, beanstalkdNever, memcached, rabbitmq, nats]
    .filter((product) => product !== null)
    .map(({ kind }) => kind.command(place).map((word) => word || "''"))
    .map((words) => words.join(" ").replaceAll(`${ROOT}/`, ""));
  return `\`\`\`sh\n${lines.join("\n")}\n\`\`\``;
}
