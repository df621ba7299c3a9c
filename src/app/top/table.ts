import type { QueueLine, Snapshot } from "./snapshot.ts";

/** What the table can be sorted by: a column, the key that asks for it, and how wide its values are. */
export interface Column {
  title: string;
  key: string;
  width: number;
  value: (queue: QueueLine) => number | string | undefined;
  show: (queue: QueueLine) => string;
}

export interface Order {
  column: Column;
  descending: boolean;
}

const MESSAGES: Column = {
  title: "Messages",
  key: "m",
  width: 10,
  value: ({ messages }) => messages,
  show: ({ messages }) => count(messages),
};

/** The columns in their order; the name is the last one, and takes the rest of the line. */
export const COLUMNS: readonly Column[] = [
  MESSAGES,
  {
    title: "In/s",
    key: "i",
    width: 8,
    value: (queue) => queue.in,
    show: (queue) => rate(queue.in),
  },
  {
    title: "Out/s",
    key: "o",
    width: 8,
    value: (queue) => queue.out,
    show: (queue) => rate(queue.out),
  },
  { title: "Age", key: "a", width: 9, value: ({ age }) => age, show: ({ age }) => duration(age) },
  {
    title: "Waiting",
    key: "w",
    width: 8,
    value: ({ waiting }) => waiting,
    show: ({ waiting }) => count(waiting),
  },
  { title: "Open", key: "p", width: 7, value: ({ open }) => open, show: ({ open }) => count(open) },
  {
    title: "Size",
    key: "s",
    width: 9,
    value: ({ bytes }) => bytes,
    show: ({ bytes }) => size(bytes),
  },
  {
    title: "Name",
    key: "n",
    width: 0,
    value: ({ shown }) => shown,
    show: ({ shown }) => printable(shown),
  },
];

export const FULLEST_FIRST: Order = { column: MESSAGES, descending: true };

/** The order after a key; the same column again is turned around. Undefined when the key is that of no column. */
export function orderAfter(key: string, { column, descending }: Order): Order | undefined {
  const asked = COLUMNS.find((column) => column.key === key);
  if (asked === undefined) return undefined;
  return { column: asked, descending: asked === column ? !descending : asked.width > 0 };
}

/** Equal queues are in the order of their names. */
export function sorted(queues: readonly QueueLine[], { column, descending }: Order): QueueLine[] {
  const compare = (a: QueueLine, b: QueueLine) => {
    const [x, y] = [column.value(a) ?? -1, column.value(b) ?? -1];
    const ascending = x < y ? -1 : x > y ? 1 : 0;
    return descending ? -ascending : ascending;
  };
  return queues.toSorted((a, b) => compare(a, b) || (a.name < b.name ? -1 : 1));
}

/** The state of the server, in a line. */
export function summary({ server, queues }: Snapshot, place: string): string {
  const messages = queues.reduce((sum, queue) => sum + queue.messages, 0);
  const parts = [
    `memcacheq ${printable(server.version)} at ${place}`,
    `up ${duration(server.uptime * 1000)}`,
    many(server.connections, "connection"),
    many(queues.length, "queue"),
    many(messages, "message"),
  ];
  return parts.join(", ");
}

export function titles(): string {
  return COLUMNS.map(({ title, width }) =>
    width === 0 ? `  ${title}` : title.padStart(width),
  ).join("");
}

export function line(queue: QueueLine): string {
  return COLUMNS.map(({ width, show }) =>
    width === 0 ? `  ${show(queue)}` : show(queue).padStart(width),
  ).join("");
}

/** The beginning of a line that fits so many columns of the terminal. */
export function cut(text: string, width: number): string {
  if (Bun.stringWidth(text) <= width) return text;
  let end = "";
  for (const character of text) {
    if (Bun.stringWidth(end + character) > width - 1) break;
    end += character;
  }
  return `${end}…`;
}

/** Without what a terminal would obey, and what cannot be seen. */
export function printable(text: string): string {
  const hidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
  return text.replace(
    hidden,
    (character) => `<U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}>`,
  );
}

function many(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
}

function count(n: number | undefined): string {
  return n === undefined ? "-" : String(n);
}

function rate(n: number | undefined): string {
  if (n === undefined) return "-";
  return n === 0 ? "0" : n < 10 ? n.toFixed(1) : n.toFixed(0);
}

/** Milliseconds as `5s`, `3m20s`, `2h05m`, `3d04h`. */
function duration(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return "-";
  const seconds = Math.floor(milliseconds / 1000);
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0");
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h${two((seconds % 3600) / 60)}m`;
  return `${Math.floor(seconds / 86400)}d${two((seconds % 86400) / 3600)}h`;
}

/** Bytes as `512`, `1.5K`, `20M`. */
function size(bytes: number | undefined): string {
  if (bytes === undefined) return "-";
  const units = ["", "K", "M", "G", "T"];
  let n = bytes;
  let unit = 0;
  for (; n >= 1000 && unit < units.length - 1; unit++) n /= 1024;
  return `${unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)}${units[unit]}`;
}
