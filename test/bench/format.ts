const COUNT = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export const NOT_KNOWN = "-";
export const MEGABYTE = 1024 * 1024;

/** 12,345 */
export const count = (value: number | null): string =>
  value === null ? NOT_KNOWN : COUNT.format(value);

/** 1.23 */
export const ratio = (value: number | null): string =>
  value === null ? NOT_KNOWN : value.toFixed(2);

/** Of bytes: 12.3 */
export const megabytes = (bytes: number | null): string =>
  bytes === null ? NOT_KNOWN : (bytes / MEGABYTE).toFixed(1);

/** Of microseconds: 1.23 */
export const milliseconds = (microseconds: number | null): string =>
  microseconds === null ? NOT_KNOWN : (microseconds / 1000).toFixed(2);

/** 12, 3.4K, 5M */
export function short(value: number): string {
  for (const [unit, name] of [[1e6, "M"] as const, [1e3, "K"] as const]) {
    if (value >= unit) return `${Number((value / unit).toPrecision(3))}${name}`;
  }
  return String(Number(value.toPrecision(3)));
}

/** The same with units of 1024. */
export const shortBytes = (bytes: number): string =>
  bytes >= MEGABYTE ? `${bytes / MEGABYTE}M` : bytes >= 1024 ? `${bytes / 1024}K` : String(bytes);

/** A table in Markdown; all columns after the first `left` ones line up on the right. */
export function markdown(head: string[], rows: string[][], left = 1): string {
  const row = (cells: string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, i) => (i < left ? "---" : "--:"));
  return [head, rule, ...rows].map(row).join("\n");
}
