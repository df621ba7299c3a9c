/** Writes and removes the PID file named by the argument, in a directory that refuses the removal. */
import { chmodSync } from "node:fs";
import { dirname } from "node:path";

import { removePidFile, writePidFile } from "../../src/os/pidfile.ts";
import { becomeUser, lookUpUser } from "../../src/os/user.ts";

const [path = ""] = process.argv.slice(2);
const user = lookUpUser("nobody");
writePidFile(path, user);
chmodSync(dirname(path), 0o555);
if (user !== undefined) becomeUser(user);
removePidFile(path);
