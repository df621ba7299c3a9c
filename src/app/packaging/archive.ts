import { join } from "node:path";

import license from "../../../LICENSE" with { type: "text" };
import { completions } from "../../config/completions.ts";
import { manual } from "../../config/manual.ts";
import { program } from "../../util/version.ts";
import { type PackedFile, packFolder, writeFiles } from "./files.ts";
import unit from "./memcacheq.service" with { type: "text" };

/**
 * Makes `<executable>.tar.gz` beside an executable of a release: the executable, its manual page, the completions, the
 * licence and, for Linux, the systemd unit.
 * @param seconds the time of its files, since 1970
 * @returns the name of the archive
 */
export async function makeArchive(folder: string, name: string, seconds: number): Promise<string> {
  const files: PackedFile[] = [
    { path: program, content: { copyOf: join(folder, name) }, mode: 0o755 },
    { path: `${program}.1`, content: manual(), mode: 0o644 },
    { path: "LICENSE", content: license, mode: 0o644 },
    ...completions().map(({ file, text }) => ({
      path: `completions/${file}`,
      content: text,
      mode: 0o644,
    })),
  ];
  if (name.includes("-linux-")) {
    files.push({ path: `${program}.service`, content: unit, mode: 0o644 });
  }
  const packed = join(folder, "packed", name);
  await writeFiles(packed, files);
  await packFolder(packed, join(folder, `${name}.tar.gz`), seconds);
  return `${name}.tar.gz`;
}
