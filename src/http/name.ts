const plain = /^[\x20-\x7e]*$/;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The name of a queue for people: its bytes as UTF-8. Of bytes that are not each is a character, and something is added
 * that holds a space: no name does, so no two queues look the same.
 */
export function shownName(name: string): string {
  if (plain.test(name)) return name;
  try {
    return decoder.decode(Buffer.from(name, "latin1"));
  } catch {
    return `${name} (latin1)`;
  }
}
