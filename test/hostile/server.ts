import { join } from "node:path";

import { type Client, connect } from "../server/client.ts";
import { withFolder } from "../torture/folder.ts";
import { type Server as Process, start } from "../torture/server.ts";

export interface Server extends Process {
  connect(): Promise<Client>;
}

/** Starts a server, and leaves none behind: it must have gone on by itself, and end cleanly. */
export function withServer<T>(
  flags: readonly string[],
  work: (server: Server) => Promise<T>,
): Promise<T> {
  return withFolder(async (folder) => {
    const server = await start({ home: join(folder, "home"), flags: [...flags] });
    try {
      const result = await work({ ...server, connect: () => connect(server.address) });
      await server.stop();
      const [mistake] = /internal error.*/.exec(server.log()) ?? [];
      if (mistake !== undefined) throw new Error(`the server made a mistake: ${mistake}`);
      return result;
    } finally {
      if (server.isAlive()) await server.kill();
    }
  });
}
