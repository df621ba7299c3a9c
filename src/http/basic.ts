import {
  authenticate,
  isSenderBusy,
  noteMalformed,
  rememberedAccount,
} from "../engine/access/access.ts";
import type { Account } from "../engine/access/account.ts";
import type { Engine } from "../engine/engine.ts";
import { clientAddress } from "../net/place.ts";

/** Whose request it is; undefined where no account is needed. Or the answer to a request without one. */
export type Identity = { account: Account | undefined } | Response;

/** Finds out by HTTP Basic (RFC 7617) whose request it is. @param address of the client, as the system tells it */
export function identify(
  engine: Engine,
  request: Request,
  address: string | undefined,
): Identity | Promise<Identity> {
  const { access } = engine;
  if (access === undefined) return { account: undefined };
  const header = request.headers.get("authorization");
  if (header === null) return challenge("a name and a password are needed");
  const from = clientAddress(address);
  const [, name, secret] = /^([^:]+):([^]*)$/.exec(basicContent(header)) ?? [];
  if (name === undefined || secret === undefined) {
    noteMalformed(access, from);
    return challenge("a name and a password are needed");
  }
  const known = rememberedAccount(access, name, secret);
  if (known !== undefined) return { account: known };
  if (isSenderBusy(access, from))
    return new Response("too many wrong passwords\n", { status: 429 });
  return new Promise((resolve) => {
    const cancel = authenticate(access, name, secret, from, (account) =>
      resolve(account === undefined ? challenge("name or password is wrong") : { account }),
    );
    request.signal.addEventListener("abort", () => cancel?.(), { once: true });
  });
}

/** What a header `Basic <base64>` has, a byte as a character from U+0000 to U+00FF; "" for any other. */
function basicContent(header: string): string {
  const [, encoded = ""] = /^basic +([A-Za-z0-9+/=]+) *$/i.exec(header) ?? [];
  return Buffer.from(encoded, "base64").toString("latin1");
}

function challenge(reason: string): Response {
  return new Response(`${reason}\n`, {
    status: 401,
    headers: { "www-authenticate": 'Basic realm="memcacheq", charset="UTF-8"' },
  });
}
