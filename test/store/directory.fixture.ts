/** Opens the store in the directory given, says whether that worked, and ends without closing it. */
import { open } from "./scratch.ts";

try {
  open(process.argv[2] as string);
  console.log("opened");
} catch (error) {
  console.log((error as Error).message);
}
