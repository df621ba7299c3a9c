/** Settings of single queues, as `--queue` says them. */

export interface QueueSettings {
  maxMessages: number;
  maxBytes: number;
  dropOldest: boolean;
  deliveries: number;
  retryMs: number;
  maxRetryMs: number;
  /** "": the queue's name with `.dead` behind it. */
  dead: string;
  onceMs: number;
  copyTo: readonly string[];
}

/** The first rule that matches counts. A `*` at the end of a pattern is for any rest of the name. */
export interface Rule {
  pattern: string;
  given: Partial<QueueSettings>;
}

const DEFAULTS: QueueSettings = {
  maxMessages: Infinity,
  maxBytes: Infinity,
  dropOldest: false,
  deliveries: Infinity,
  retryMs: 0,
  maxRetryMs: 0,
  dead: "",
  onceMs: 600_000,
  copyTo: [],
};

export function settingsFor(
  rules: readonly Rule[],
  name: string,
  maxMessages: number,
): QueueSettings {
  const rule = rules.find(({ pattern }) =>
    pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
  );
  return { ...DEFAULTS, maxMessages, ...rule?.given };
}

/** The rule as it would be typed. */
export function textOf({ pattern, given }: Rule): string {
  const { maxMessages, maxBytes, dropOldest, deliveries, retryMs, maxRetryMs, ...rest } = given;
  const { dead, onceMs, copyTo } = rest;
  const items: string[] = [];
  const add = (name: string, value: string | number | undefined) => {
    if (value !== undefined) items.push(`${name}=${value}`);
  };
  add("max-messages", maxMessages);
  add("max-bytes", maxBytes);
  add("drop-oldest", dropOldest === true ? "yes" : undefined);
  add("deliveries", deliveries);
  add("retry", retryMs === undefined ? undefined : `${retryMs}..${maxRetryMs ?? retryMs}`);
  add("dead", dead);
  add("once", onceMs);
  add("copy-to", copyTo?.join("+"));
  return `${pattern}:${items.join(",")}`;
}
