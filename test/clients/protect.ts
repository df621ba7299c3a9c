import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { login } from "../server/accounts.ts";
import { selfSigned, tlsFlags } from "../server/certificates.ts";
import { type Client as Connection, connect } from "../server/client.ts";
import type { Client } from "./clients.ts";

/** What a server and its clients are protected with. */
export interface Protection {
  /** Of the server. */
  flags: string[];
  /** What a driver is told behind its port: `password <name> <password>`, or `TLS <file of the authority>`. */
  words: string[];
  /** Connects without a client library. */
  connect(port: number): Promise<Connection>;
}

const NAME = "worker";
const PASSWORD = "a secret";
const hostname = "127.0.0.1";

export function protect({ secure }: Client, folder: string): Protection {
  if (secure === "password") return withPassword(folder);
  if (secure === "TLS") return withTls(folder);
  return { flags: [], words: [], connect: (port) => connect({ hostname, port }) };
}

function withPassword(folder: string): Protection {
  const file = join(folder, "accounts");
  writeFileSync(file, `${NAME}:${PASSWORD}\n`);
  return {
    flags: ["--auth-file", file],
    words: ["password", NAME, PASSWORD],
    async connect(port) {
      const client = await connect({ hostname, port });
      client.send(login(NAME, PASSWORD));
      const answer = await client.line();
      if (answer !== "STORED") throw new Error(`the login is answered ${answer}`);
      return client;
    },
  };
}

function withTls(folder: string): Protection {
  const pair = selfSigned(folder);
  const tls = { rejectUnauthorized: false };
  return {
    flags: tlsFlags(pair),
    words: ["TLS", pair.cert],
    connect: (port) => connect({ hostname, port, tls }),
  };
}
