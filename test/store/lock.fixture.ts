/** Locks the database file given against everybody, says so, and lets go a quarter of a second later. */
import { Database } from "bun:sqlite";

const database = new Database(process.argv[2] as string, { readwrite: true });
database.run("PRAGMA locking_mode = EXCLUSIVE");
database.run("BEGIN EXCLUSIVE");
console.log("locked");
setTimeout(() => database.close(), 250);
