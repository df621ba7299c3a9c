/** A pattern of names: what stands between its stars, each of which is for any text, also none. */
export type Pattern = readonly string[];

/** The pattern in a text like `jobs*`; `*` alone is every name. */
export function newPattern(text: string): Pattern {
  return text.split("*");
}

/** Whether the pattern matches all of the name. The time it takes grows with the name's length, whatever the pattern. */
export function matches(pattern: Pattern, name: string): boolean {
  const first = pattern[0] ?? "";
  const last = pattern.at(-1) ?? "";
  if (pattern.length < 2) return name === first;
  if (name.length < first.length + last.length) return false;
  if (!name.startsWith(first) || !name.endsWith(last)) return false;
  const end = name.length - last.length;
  let at = first.length;
  for (let i = 1; i < pattern.length - 1; i++) {
    const part = pattern[i] as string;
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
