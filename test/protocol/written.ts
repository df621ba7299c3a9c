import { expect } from "bun:test";

import { type Bytes, newBytes, writeText } from "../../src/protocol/buffer.ts";

/** The bytes that `write` appends: the same after other bytes, with room for all of them and with no room. */
export function written(write: (bytes: Bytes) => void): Buffer {
  const results = [1, 64, 100_000].map((size) => {
    const bytes = newBytes(size);
    writeText(bytes, "before");
    write(bytes);
    expect(bytes.buffer.toString("latin1", 0, 6)).toBe("before");
    return bytes.buffer.subarray(6, bytes.length);
  });
  const [first] = results as [Buffer];
  for (const result of results) expect(result).toEqual(first);
  return first;
}
