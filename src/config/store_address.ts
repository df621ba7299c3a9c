import type { ValueKind } from "./values.ts";

/** Where PostgreSQL is, and how it is spoken to. */
export interface StoreAddress {
  /** In the order in which they are tried. A host that begins with a slash is the directory of a Unix socket. */
  hosts: readonly { host: string; port: number }[];
  user: string;
  database: string;
  password: string | undefined;
  sslmode: SslMode;
  /** The authority of the server's certificate, PEM: a path. */
  sslrootcert: string | undefined;
}

const SSL_MODES = ["disable", "prefer", "require", "verify-ca", "verify-full"] as const;
type SslMode = (typeof SSL_MODES)[number];

const PORT = 5432;
const RULE =
  "a store is a URL: postgres://user@host/database, with several hosts host1:5432,host2 and ?sslmode=verify-full&sslrootcert=<file>";

/** A store on the command line, which all users of the machine can read: it has no password. */
export function storeAddress(): ValueKind<StoreAddress> {
  return kindOf((text) => {
    const found = parse(text);
    if (typeof found === "string" || found.password === undefined) return found;
    return "ps shows the command line, so no password is taken there: it belongs in --store-password-file, PGPASSWORD or the URL in MEMCACHEQ_STORE";
  });
}

/** A store in the environment. */
export function secretStoreAddress(): ValueKind<StoreAddress> {
  return kindOf(parse);
}

/** The store for people: without a password. */
export function storeName({ hosts, user, database }: StoreAddress): string {
  const shown = hosts.map(({ host, port }) => {
    const name = host.startsWith("/") ? encodeURIComponent(host) : host;
    return `${name.includes(":") ? `[${name}]` : name}${port === PORT ? "" : `:${port}`}`;
  });
  return `postgres://${encodeURIComponent(user)}@${shown.join(",")}/${encodeURIComponent(database)}`;
}

function kindOf(read: (text: string) => StoreAddress | string): ValueKind<StoreAddress> {
  const orNothing = (text: string) => {
    const found = read(text);
    return typeof found === "string" ? { problem: found } : { found };
  };
  return {
    rule: RULE,
    read: (text) => orNothing(text).found,
    problem: (text) => orNothing(text).problem,
    // Whatever is wrong with it, a part of it may be a password.
    isSecret: true,
  };
}

/** @returns what is wrong, in words that repeat nothing of the user, the password and the hosts */
function parse(text: string): StoreAddress | string {
  const [, login, places, path, query] =
    /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^@/?#]*)(?:\/([^/?#]*))?(?:\?([^#]*))?$/.exec(text) ??
    [];
  if (places === undefined) return RULE;
  try {
    const parameters = new Map(new URLSearchParams(query ?? ""));
    const named = parameters.get("host");
    const hosts = (named ?? places).split(",").map((place) => readHost(place));
    if (hosts.some((host) => host === undefined)) {
      return "a host is a name or an address with or without a port, or the directory of a Unix socket as %2Fvar%2Frun%2Fpostgresql";
    }
    const sslmode = SSL_MODES.find((mode) => mode === (parameters.get("sslmode") ?? "prefer"));
    if (sslmode === undefined) return `sslmode is one of ${SSL_MODES.join(", ")}`;
    const sslrootcert = parameters.get("sslrootcert") || undefined;
    for (const name of ["host", "sslmode", "sslrootcert"]) parameters.delete(name);
    if (parameters.size > 0) return "behind the ? it takes host, sslmode and sslrootcert";
    const [user, ...password] = (login ?? "").split(":").map(decodeURIComponent);
    if (user === undefined || user === "") return "a user is needed: postgres://user@host/database";
    return {
      hosts: hosts as { host: string; port: number }[],
      user,
      password: password.length === 0 ? undefined : password.join(":"),
      // As for psql.
      database: decodeURIComponent(path ?? "") || user,
      sslmode,
      sslrootcert,
    };
  } catch {
    return "a % in the URL is followed by two hexadecimal digits, as in %2F";
  }
}

function readHost(text: string): { host: string; port: number } | undefined {
  const [, bracketed, plain = bracketed, digits] =
    /^(?:\[([0-9a-f:.]+(?:%25[\w.-]+)?)\]|([^\s:[\]]+))(?::([0-9]{1,5}))?$/i.exec(text) ?? [];
  if (plain === undefined) return undefined;
  const port = Number(digits ?? PORT);
  return port > 0 && port < 65536 ? { host: decodeURIComponent(plain), port } : undefined;
}
