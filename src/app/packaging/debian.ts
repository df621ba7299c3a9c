import { join } from "node:path";

import changelog from "../../../CHANGELOG.md" with { type: "text" };
import license from "../../../LICENSE" with { type: "text" };
import { completions } from "../../config/completions.ts";
import { manual } from "../../config/manual.ts";
import { program } from "../../util/version.ts";
import settings from "./debian/default" with { type: "text" };
import overrides from "./debian/overrides" with { type: "text" };
import postinst from "./debian/postinst" with { type: "text" };
import postrm from "./debian/postrm" with { type: "text" };
import prerm from "./debian/prerm" with { type: "text" };
import { gzip, type PackedFile, run, writeFiles } from "./files.ts";
import unit from "./memcacheq.service" with { type: "text" };

/** A package for one architecture, as Debian calls it. */
export interface DebianPackage {
  version: string;
  architecture: "amd64" | "arm64";
  /** The path of the executable. */
  executable: string;
  /** The time of its files, since 1970. */
  seconds: number;
  /** The name and the address of the one that makes it. */
  maintainer: string;
}

const CONFFILE = `/etc/default/${program}`;

/**
 * From the variables that Debian's own tools read. Without them the address is one that is plainly none
 * (https://www.rfc-editor.org/rfc/rfc2606#section-2): where users can write to depends on where the package is published.
 */
export function maintainerOf({ DEBFULLNAME: name, DEBEMAIL: address }: typeof process.env): string {
  return `${name || `${program} authors`} <${address || `${program}@packages.invalid`}>`;
}

/** Makes a package in the folder, with dpkg-deb. @returns its name */
export async function makeDebianPackage(folder: string, made: DebianPackage): Promise<string> {
  const name = `${program}_${made.version}_${made.architecture}.deb`;
  const root = join(folder, "packed", name);
  const files = filesOf(made);
  const size = sizeOf(files);
  await writeFiles(root, [...files, ...controlOf(made, size)]);
  const pack = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z6", "--build", root];
  await run([...pack, join(folder, name)], { SOURCE_DATE_EPOCH: String(made.seconds) });
  return name;
}

function filesOf(made: DebianPackage): PackedFile[] {
  const text = (path: string, content: PackedFile["content"]) => ({ path, content, mode: 0o644 });
  const [bash, zsh, fish] = completions();
  const documents = `usr/share/doc/${program}`;
  return [
    { path: `usr/bin/${program}`, content: { copyOf: made.executable }, mode: 0o755 },
    text(`lib/systemd/system/${program}.service`, unitWithUser()),
    text(CONFFILE.slice(1), settings),
    text(`usr/share/man/man1/${program}.1.gz`, gzip(manual())),
    text(`${documents}/copyright`, copyright()),
    text(`${documents}/changelog.gz`, gzip(changelog)),
    text(`${documents}/changelog.Debian.gz`, gzip(debianChangelog(made))),
    text(`usr/share/lintian/overrides/${program}`, overrides),
    text(`usr/share/bash-completion/completions/${program}`, bash?.text ?? ""),
    text(`usr/share/zsh/vendor-completions/_${program}`, zsh?.text ?? ""),
    text(`usr/share/fish/vendor_completions.d/${program}.fish`, fish?.text ?? ""),
  ];
}

/** The package has a user of its own, which stays when the server does not run. */
function unitWithUser(): string {
  return unit.replace("DynamicUser=yes\n", `User=${program}\nGroup=${program}\n`);
}

/** @param size of all files, in bytes */
function controlOf(
  { version, architecture, maintainer }: DebianPackage,
  size: number,
): PackedFile[] {
  const control = [
    `Package: ${program}`,
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    `Maintainer: ${maintainer}`,
    `Installed-Size: ${Math.ceil(size / 1024)}`,
    "Depends: adduser, libc6 (>= 2.17)",
    "Section: net",
    "Priority: optional",
    "Description: persistent message queue that speaks the memcached protocol",
    " A set appends a message to a queue, a get takes the oldest one. Any memcached",
    " client is a queue client. What is answered STORED is on disk. The server is one",
    " executable, and keeps its queues in one SQLite database.",
    "",
  ];
  const script = (path: string, content: string) => ({ path, content, mode: 0o755 });
  return [
    { path: "DEBIAN/control", content: control.join("\n"), mode: 0o644 },
    { path: "DEBIAN/conffiles", content: `${CONFFILE}\n`, mode: 0o644 },
    script("DEBIAN/postinst", postinst),
    script("DEBIAN/prerm", prerm),
    script("DEBIAN/postrm", postrm),
  ];
}

/** https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ */
function copyright(): string {
  const [owner = ""] = license.split("\n", 1);
  const body = license
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => ` ${line === "" ? "." : line}`);
  return [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
    `Upstream-Name: ${program}`,
    "Comment: The executable has Bun in it; sbom.json of the release names the parts of",
    " Bun. Their licences are in Bun's source, https://github.com/oven-sh/bun.",
    "",
    "Files: *",
    `Copyright: ${owner.replace(/^Copyright \(c\) /, "")}`,
    "License: BSD-3-Clause",
    ...body,
    "",
  ].join("\n");
}

function debianChangelog({ version, seconds, maintainer }: DebianPackage): string {
  const date = new Date(seconds * 1000).toUTCString().replace("GMT", "+0000");
  const text = `${program} (${version}) stable; urgency=medium\n\n  * What changed is in changelog.gz.\n\n`;
  return `${text} -- ${maintainer}  ${date}\n`;
}

function sizeOf(files: readonly PackedFile[]): number {
  let size = 0;
  for (const { content } of files) {
    const isCopy = typeof content === "object" && "copyOf" in content;
    size += isCopy ? Bun.file(content.copyOf).size : content.length;
  }
  return size;
}
