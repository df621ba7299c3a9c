/** Milliseconds between two looks at the memory of the process. */
const INTERVAL = 100;
/** After a collection that did not help, so many bytes more make another one worthwhile. */
const STEP = 8 * 1024 * 1024;

/**
 * Collects garbage when the process takes more than `limit` bytes: left alone, the JavaScript engine lets garbage grow
 * to several times what is in use. The returned function ends it.
 */
export function limitGarbage(limit: number): () => void {
  let threshold = limit;
  let collected = false;
  const timer = setInterval(() => {
    const taken = residentBytes();
    if (taken === undefined) return;
    // Memory that is free goes back to the system a moment after the collection.
    if (taken <= limit) threshold = limit;
    else if (collected) threshold = taken + STEP;
    collected = taken > threshold;
    if (collected) Bun.gc(true);
  }, INTERVAL);
  return () => clearInterval(timer);
}

/** Undefined when there is no descriptor left to read it with. */
function residentBytes(): number | undefined {
  try {
    return process.memoryUsage.rss();
  } catch {
    return undefined;
  }
}
