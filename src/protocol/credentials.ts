import type { Request } from "./request.ts";
import { text } from "./text/encoder.ts";

/** What a client authenticates with. A byte is a character from U+0000 to U+00FF. */
export interface NameAndSecret {
  name: string;
  secret: string;
}

/** Bytes of a name and a secret together, as a request has them. */
export const MAX_CREDENTIALS = 1024;

/**
 * What an `authenticate` has in its body: `name secret` in text; in binary, where the key says PLAIN, a name to act as, which
 * is empty or the same name, the name, and the secret, with a zero byte between them (RFC 4616).
 * @returns undefined when it has neither form
 */
export function credentialsOf(request: Request): NameAndSecret | undefined {
  const content = request.body.toString("latin1", request.bodyStart, request.bodyEnd);
  if (request.encoder === text) {
    const space = content.indexOf(" ");
    return space < 1
      ? undefined
      : { name: content.slice(0, space), secret: content.slice(space + 1) };
  }
  const [actAs, name = "", secret, more] = content.split("\0");
  if (request.name !== "PLAIN" || secret === undefined || more !== undefined) return undefined;
  return actAs === "" || actAs === name ? { name, secret } : undefined;
}
