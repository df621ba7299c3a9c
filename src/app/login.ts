import { optionError } from "../config/error.ts";
import { readOptionFile } from "../config/file.ts";
import type { Options } from "../config/options.ts";
import type { Login } from "../import/peer.ts";

/**
 * What --login-file says to authenticate with; undefined without it. The secret may have colons.
 * @throws OptionError when the file cannot be read, or is wrong; it repeats no secret
 */
export function readLogin({ loginFile }: Options): Login | undefined {
  if (loginFile === undefined) return undefined;
  const content = readOptionFile("--login-file", loginFile).toString("latin1");
  const [, name, secret] = /^([^:\s\0]{1,250}):([^\r\n\0]{1,250})\r?\n?$/.exec(content) ?? [];
  if (name === undefined || secret === undefined) {
    throw optionError(
      `--login-file ${loginFile}`,
      "it has one line name:secret, each of 1 to 250 bytes, the secret as it is and not its hash",
    );
  }
  return { name, secret };
}
