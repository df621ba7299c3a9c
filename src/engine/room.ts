import type { Entry, Session } from "./engine.ts";

/** Where room for replies is short: says for a key of so many bytes whether its message fits. Keys use it up in order. */
export type Room = (keyBytes: number) => NonNullable<Entry["fits"]>;

export function roomFor({ sink }: Session): Room | undefined {
  if (!sink.pressure.outputFull) return undefined;
  const room = sink.room();
  let used = 0;
  return (keyBytes) => (flags, length, number) => {
    const line = `VALUE  ${flags} ${length} ${number}\r\n`;
    const size = line.length + keyBytes + length + "\r\n".length;
    if (used + size + "END\r\n".length > room) return false;
    used += size;
    return true;
  };
}
