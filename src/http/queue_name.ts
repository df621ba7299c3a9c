const ASCII = /^[\x20-\x7e]*$/;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The name of a queue for people: its bytes as UTF-8. Of a name that is not UTF-8 each byte is shown as one character,
 * and ` (latin1)` is added: no name has a space in it, so no two queues are shown alike.
 */
export function displayName(name: string): string {
  if (ASCII.test(name)) return name;
  try {
    return decoder.decode(Buffer.from(name, "latin1"));
  } catch {
    return `${name} (latin1)`;
  }
}
