import { chmod, cp, mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

/** A file of an archive or package: text, bytes, or a copy of another file. */
export interface PackedFile {
  /** Within the archive. */
  path: string;
  content: string | Uint8Array<ArrayBuffer> | { copyOf: string };
  mode: number;
}

/** Writes the files into a folder that is empty before. */
export async function writeFiles(folder: string, files: readonly PackedFile[]): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  for (const { path, content, mode } of files) {
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    if (typeof content === "string" || content instanceof Uint8Array) {
      await Bun.write(target, content);
    } else await cp(content.copyOf, target);
    await chmod(target, mode);
  }
}

/**
 * Packs a folder as .tar.gz, the same bytes for the same files.
 * @param seconds the time that all files get, since 1970
 */
export async function packFolder(folder: string, archive: string, seconds: number): Promise<void> {
  await run([
    ...["tar", "--create", "--file", `${archive}.tar`, "--directory", dirname(folder)],
    ...["--sort=name", "--owner=0", "--group=0", "--numeric-owner", `--mtime=@${seconds}`],
    folder.slice(dirname(folder).length + 1),
  ]);
  await run(["gzip", "--no-name", "--force", `${archive}.tar`]);
  await rename(`${archive}.tar.gz`, archive);
}

export function gzip(text: string): Uint8Array<ArrayBuffer> {
  return Bun.gzipSync(Buffer.from(text), { level: 9 });
}

/** Runs a program of the system. @throws Error with what it wrote */
export async function run(
  command: string[],
  environment: Record<string, string> = {},
): Promise<void> {
  const child = Bun.spawn(command, {
    env: { ...process.env, ...environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, output, errors] = await Promise.all([
    child.exited,
    child.stdout.text(),
    child.stderr.text(),
  ]);
  if (code !== 0) throw new Error(`${command[0]}: ${errors || output || `exit code ${code}`}`);
}
