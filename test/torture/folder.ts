import { keepFolder, makeFolder, removeFolder } from "../bench/folder.ts";

/** Does something in a fresh folder, which is removed; when it fails, the folder stays, and the error names it. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = makeFolder();
  try {
    const result = await work(folder);
    removeFolder(folder);
    return result;
  } catch (error) {
    keepFolder(folder);
    throw new Error(`${(error as Error).message}\nWhat is left is in ${folder}`);
  }
}
