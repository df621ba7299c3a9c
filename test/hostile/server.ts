import { type Server, start } from "../server/harness.ts";

/** Starts a server, and leaves none behind: it must have gone on by itself, and end cleanly. */
export async function withServer<T>(
  flags: readonly string[],
  work: (server: Server) => Promise<T>,
): Promise<T> {
  const server = await start(flags);
  try {
    const result = await work(server);
    const { code, stderr } = await server.stop();
    if (code !== 0) throw new Error(`the server ended with ${code}: ${stderr.slice(-1000)}`);
    const [mistake] = /internal error.*/.exec(stderr) ?? [];
    if (mistake !== undefined) throw new Error(`the server made a mistake: ${mistake}`);
    return result;
  } finally {
    await server.kill9();
  }
}
