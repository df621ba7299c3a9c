/** Says that it begins, and opens the store in the directory given, which upgrades its file. */
import { open } from "./scratch.ts";

console.log("opening");
open(process.argv[2] as string);
await new Promise(() => setInterval(() => undefined, 1000));
