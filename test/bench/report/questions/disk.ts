import { attached, MODE_TITLES, ours } from "../../contender.ts";
import { makeFolder, removeFolder } from "../../folder.ts";
import { count, markdown, megabytes } from "../../format.ts";
import { BASE } from "../../job.ts";
import type { Mode } from "../../options.ts";
import { startIn } from "../../server.ts";
import { drain } from "../backlog.ts";
import { barChart } from "../chart.ts";
import { type OnDisk, settled, total } from "../data.ts";
import type { Section } from "../section.ts";
import { run, type Setting } from "../setting.ts";

/** How messages came: what comes together is stored together. */
type Way = { name: string; mode: Mode; connections: number; depth: number; messages: number };

/** What they took, and what was left when they were got. */
type Space = Way & { stored: OnDisk; drained: OnDisk };

// A checkpoint each second, so that the log is in the database when it is looked at.
const CHECKPOINTS = ["-C", "1"];

/** Bytes on disk for each message. */
export async function disk(setting: Setting): Promise<Section> {
  const spaces: Space[] = [];
  for (const way of waysOf(setting)) spaces.push(await spaceOf(setting, way));
  const base = spaces.find(({ connections, depth }) => connections === 50 && depth === 1);
  return {
    title: "4. Disk",
    text: [
      "Messages of 100 bytes, all sent before any is taken. What one commit gathers is stored together. Sizes are " +
        "those of the running server's files when it has come to rest, checkpoints every second; log is what stays " +
        "allocated for the log. Then all were got: with more than 64 MB free (`-E`) the file shrinks, otherwise its " +
        "space is used again.",
      table(spaces),
    ],
    charts: [
      {
        file: "disk",
        svg: barChart({
          title: "Disk: file and log, for each message of 100 bytes",
          unit: "bytes",
          format: (value) => value.toFixed(0),
          bars: spaces.map((space) => ({ name: space.name, value: each(space) })),
        }),
      },
    ],
    goals: [
      {
        what: "disk per 100-byte message at depth",
        limit: 135,
        is: "most",
        measured: base === undefined ? null : each(base),
        unit: " bytes",
      },
    ],
  };
}

function waysOf({ amounts }: Setting): Way[] {
  const { alone, together, pipelined } = amounts.stored;
  return [
    { name: "1 client", mode: "nosync", connections: 1, depth: 1, messages: alone },
    { name: "20 clients", mode: "durable", connections: 20, depth: 1, messages: together / 2 },
    { name: "50 clients", mode: "durable", connections: 50, depth: 1, messages: together },
    {
      name: "50 clients, 16 at a time",
      mode: "durable",
      connections: 50,
      depth: 16,
      messages: pipelined,
    },
  ];
}

async function spaceOf(setting: Setting, way: Way): Promise<Space> {
  const { mode, connections, depth, messages } = way;
  const folder = makeFolder();
  const product = ours(mode, CHECKPOINTS);
  const server = await startIn(folder, product.kind);
  try {
    const contender = attached(product, server);
    await run(setting, contender, { ...BASE, connections, depth, ops: messages, prepare: false });
    const stored = await settled(folder);
    await drain(setting, contender, messages);
    return { ...way, stored, drained: await settled(folder) };
  } finally {
    await server.stop();
    removeFolder(folder);
  }
}

const each = ({ stored, messages }: Space): number => total(stored) / messages;

function table(spaces: Space[]): string {
  return markdown(
    [
      "",
      "messages",
      "file, MB",
      "log, MB",
      "bytes each",
      "without log",
      "after draining: file, MB",
      "log, MB",
    ],
    spaces.map((space) => [
      `${space.name}, ${MODE_TITLES[space.mode]}`,
      count(space.messages),
      megabytes(space.stored.files),
      megabytes(space.stored.log),
      count(each(space)),
      count(space.stored.files / space.messages),
      megabytes(space.drained.files),
      megabytes(space.drained.log),
    ]),
  );
}
