import { circlesIn, graphOf, type ImportGraph } from "./imports.ts";
import { stateOf } from "./state.ts";
import { scan } from "./tokens.ts";

/** A variable of a module that may change, and why. */
export interface Exception {
  path: string;
  name: string;
  reason: string;
}

/** The rooms that a room may import from, beside itself; main.ts is one, too. */
export type Rooms = Record<string, readonly string[]>;

const MAX_LINES = 400;
const UNUSED_WORDS = /\b(?:who|whoever|lest|somebody|someone|nobody|shall|is to be)\b/gi;

/** What breaks the rules of the house, naming the files; `files` are sources by path, such as `src/net/tcp.ts`. */
export function faultsIn(
  files: ReadonlyMap<string, string>,
  rooms: Rooms,
  exceptions: readonly Exception[],
): string[] {
  const graph = graphOf(files);
  return [
    ...circleFaults(graph),
    ...roomFaults(graph, rooms),
    ...stateFaults(files, exceptions),
    ...[...files].flatMap(([path, source]) => [
      ...lengthFaults(path, source),
      ...wordFaults(path, source),
    ]),
  ];
}

function circleFaults(graph: ImportGraph): string[] {
  return circlesIn(graph).map((circle) => `a circle: ${circle.join(" -> ")}`);
}

function roomFaults(graph: ImportGraph, rooms: Rooms): string[] {
  return [...graph].flatMap(([path, targets]) => {
    const room = roomOf(path);
    const below = rooms[room];
    if (below === undefined) return [`${path}: ${room} is not a room of the house`];
    const up = targets.filter(
      (target) => roomOf(target) !== room && !below.includes(roomOf(target)),
    );
    return up.map((target) => `an arrow upwards: ${path} -> ${target}`);
  });
}

/** `src/net/tcp.ts` is in net. */
function roomOf(path: string): string {
  return path.split("/")[1] ?? path;
}

function stateFaults(
  files: ReadonlyMap<string, string>,
  exceptions: readonly Exception[],
): string[] {
  const found = [...files].flatMap(([path, source]) =>
    stateOf(source).map((state) => ({ path, ...state })),
  );
  const isSame = (a: { path: string; name: string }, b: { path: string; name: string }) =>
    a.path === b.path && a.name === b.name;
  const faults = found.filter((state) => !exceptions.some((exception) => isSame(exception, state)));
  const needless = exceptions.filter(
    (exception) => !found.some((state) => isSame(exception, state)),
  );
  return [
    ...faults.map(({ path, name, reason }) => `${path}: ${name} ${reason}`),
    ...needless.map(({ path, name }) => `${path}: ${name} does not change, and needs no exception`),
  ];
}

function lengthFaults(path: string, source: string): string[] {
  const lines = source.replace(/\n$/, "").split("\n").length;
  return lines > MAX_LINES ? [`${path}: ${lines} lines, ${MAX_LINES} are allowed`] : [];
}

function wordFaults(path: string, source: string): string[] {
  const words = scan(source).comments.flatMap((comment) => {
    const text = comment.replaceAll(/\n\s*\*?/g, " ").replaceAll(/\s+/g, " ");
    return text.match(UNUSED_WORDS) ?? [];
  });
  return [...new Set(words.map((word) => word.toLowerCase()))].map(
    (word) => `${path}: a comment says "${word}"`,
  );
}
