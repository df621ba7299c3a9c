import { optionError } from "../config/error.ts";
import { readOptionFile } from "../config/file.ts";
import type { Options } from "../config/options.ts";

/**
 * The password for --store: of the file, the URL, or PGPASSWORD; undefined where there is none of them.
 * @throws OptionError when the file cannot be read, or is wrong; it repeats no password
 */
export function readStorePassword({ store, storePasswordFile }: Options): string | undefined {
  if (storePasswordFile === undefined) return store?.password ?? process.env["PGPASSWORD"];
  const content = readOptionFile("--store-password-file", storePasswordFile).toString();
  const [, password] = /^([^\r\n\0]+)\r?\n?$/.exec(content) ?? [];
  if (password === undefined) {
    throw optionError(
      `--store-password-file ${storePasswordFile}`,
      "it has one line, the password",
    );
  }
  return password;
}
