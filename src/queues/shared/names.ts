/** The ids of queues that this server has used. A queue that was deleted keeps its entry until a turn misses it. */
export interface Names {
  readonly ids: Map<string, number>;
  readonly names: Map<number, string>;
}

/** With more names than this all are asked for again. */
const MAX_NAMES = 200_000;

export function newNames(): Names {
  return { ids: new Map(), names: new Map() };
}

export function remember({ ids, names }: Names, name: string, id: number): void {
  if (ids.size >= MAX_NAMES) {
    ids.clear();
    names.clear();
  }
  ids.set(name, id);
  names.set(id, name);
}

export function forget({ ids, names }: Names, id: number): void {
  const name = names.get(id);
  names.delete(id);
  if (name !== undefined) ids.delete(name);
}

/** A name's bytes: each of its characters is one. */
export function bytesOf(name: string): Buffer {
  return Buffer.from(name, "latin1");
}

export function hexOf(name: string): string {
  return bytesOf(name).toString("hex");
}

export function nameOf(hex: string): string {
  return Buffer.from(hex, "hex").toString("latin1");
}
