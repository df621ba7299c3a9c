import type { Snapshot } from "./snapshot.ts";
import {
  COLUMNS,
  cut,
  FULLEST_FIRST,
  line,
  type Order,
  orderAfter,
  sorted,
  summary,
  titles,
} from "./table.ts";

/** What the terminal shows at the moment. */
interface Screen {
  place: string;
  snapshot: Snapshot | undefined;
  /** Why the server could not be asked last time. */
  failure: string | undefined;
  order: Order;
  /** How many queues are above the first line. */
  scrolled: number;
}

/** Milliseconds from one look to the next. */
const INTERVAL_MS = 2000;
/** Lines above and below the queues. */
const FRAME_LINES = 3;

const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const KEYS = `sort by ${COLUMNS.map(({ key, title }) => `${key} ${title.toLowerCase()}`).join(", ")}; again turns around; q ends`;

/** Shows the queues on the terminal until the user ends it. */
export async function showScreen(place: string, look: () => Promise<Snapshot>): Promise<void> {
  const { stdin, stdout } = process;
  const ended = Promise.withResolvers<void>();
  const screen: Screen = {
    place,
    snapshot: undefined,
    failure: undefined,
    order: FULLEST_FIRST,
    scrolled: 0,
  };
  const redraw = () => void stdout.write(draw(screen, stdout.columns, stdout.rows));
  const press = (typed: Buffer) => {
    for (const key of keysIn(typed.toString("latin1"))) {
      if (key === "q" || key === "\x03") return ended.resolve();
      obey(screen, key, stdout.rows - FRAME_LINES);
    }
    redraw();
  };
  const end = () => ended.resolve();
  stdin.setRawMode(true);
  stdin.on("data", press).on("end", end);
  stdout.on("resize", redraw);
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, end);
  stdout.write(ENTER);
  try {
    await refreshUntil(ended.promise, screen, look, redraw);
  } finally {
    stdout.write(LEAVE);
    stdin.setRawMode(false);
    stdin.pause();
  }
}

async function refreshUntil(
  ended: Promise<void>,
  screen: Screen,
  look: () => Promise<Snapshot>,
  redraw: () => void,
): Promise<void> {
  let isOver = false;
  void ended.then(() => (isOver = true));
  while (!isOver) {
    await Promise.race([ended, refresh(screen, look)]);
    if (!isOver) redraw();
    await Promise.race([ended, Bun.sleep(INTERVAL_MS)]);
  }
}

/** After a failure the last queues stay on the screen. */
async function refresh(screen: Screen, look: () => Promise<Snapshot>): Promise<void> {
  try {
    screen.snapshot = await look();
    screen.failure = undefined;
  } catch (error) {
    screen.failure = (error as Error).message;
  }
}

/** Keys with their names: a letter, `up`, `down`, `page up`, `page down`. */
function keysIn(typed: string): string[] {
  const named: Record<string, string> = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
  };
  const keys = typed.match(/\x1b\[[0-9;]*[A-Za-z~]|[^]/g) ?? [];
  return keys.map((key) => named[key] ?? key);
}

function obey(screen: Screen, key: string, page: number): void {
  const steps: Record<string, number> = { up: -1, down: 1, "page up": -page, "page down": page };
  const last = Math.max(0, (screen.snapshot?.queues.length ?? 0) - page);
  screen.order = orderAfter(key, screen.order) ?? screen.order;
  screen.scrolled = Math.min(last, Math.max(0, screen.scrolled + (steps[key] ?? 0)));
}

/** All of the screen, to be written at once. */
function draw(screen: Screen, width: number, height: number): string {
  const { snapshot, failure, order, place, scrolled } = screen;
  const room = Math.max(0, height - FRAME_LINES);
  const queues = sorted(snapshot?.queues ?? [], order).slice(scrolled, scrolled + room);
  const head = failure ?? (snapshot === undefined ? `asking ${place}` : summary(snapshot, place));
  const lines = [
    cut(head, width),
    `\x1b[7m${cut(markedTitles(order), width).padEnd(width)}\x1b[0m`,
    ...queues.map((queue) => cut(line(queue), width)),
    ...Array.from({ length: room - queues.length }, () => ""),
    cut(KEYS, width),
  ];
  return `\x1b[H${lines.map((text) => `${text}\x1b[K`).join("\r\n")}\x1b[J`;
}

/** The titles with an arrow at the column that the queues are sorted by. */
function markedTitles({ column, descending }: Order): string {
  const arrow = descending ? "↓" : "↑";
  return titles().replace(` ${column.title}`, `${arrow}${column.title}`);
}
