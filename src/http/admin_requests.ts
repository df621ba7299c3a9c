import { isAdmin } from "../engine/access/account.ts";
import { NOT_ALLOWED } from "../protocol/errors.ts";
import type { SingleKind } from "../protocol/request.ts";
import { runCommand, runSingle } from "./admin.ts";
import { json, type Reader, refuse } from "./answers.ts";
import { addEvent } from "./events.ts";
import { rejectOrigin } from "./guard.ts";
import type { Monitor } from "./monitor.ts";
import type { Host, Target } from "./target.ts";

/** What can be asked for under /admin/: a command for a queue, or something that is done to its messages. */
const COMMANDS: ReadonlySet<string> = new Set(["flush", "delete", "pause", "resume"]);
const SINGLES: ReadonlyMap<string, SingleKind> = new Map([
  ["give-back", "give back"],
  ["remove", "remove"],
  ["return", "return"],
  ["return-all", "return all"],
]);

/** So many messages can be named in one request. */
const MAX_NUMBERS = 200;

/** Changes a queue, or single messages of it. Only the page may ask for that. */
export async function answerAdmin(
  monitor: Monitor,
  request: Request,
  { path, query }: Target,
  host: Host,
  reader: Reader,
): Promise<Response> {
  const { engine, options, work } = monitor;
  const queue = query.get("queue") ?? "";
  const command = path.slice("/admin/".length);
  if (!options.httpAdmin) return refuse(403, "that needs --http-admin");
  const { account } = reader;
  if (account !== undefined && !isAdmin(account)) return refuse(403, NOT_ALLOWED);
  if (request.method !== "POST") return refuse(405, "only POST is allowed");
  const rejection = rejectOrigin(request, host);
  if (rejection !== undefined) return refuse(403, rejection);
  // Only the name of a queue that is there becomes a part of the command.
  const single = SINGLES.get(command);
  if (single === undefined && !COMMANDS.has(command)) {
    return refuse(404, "there is nothing of that name");
  }
  if ((await engine.backend.summary(queue)) === undefined)
    return refuse(404, "there is no such queue");
  if (single !== undefined) return await answerSingles(monitor, single, queue, query, reader);
  const said = await runCommand(engine, `${command} ${queue}${command === "pause" ? " 0" : ""}`);
  if (said.startsWith("SERVER_ERROR")) return refuse(503, said);
  noteChange(monitor, reader, queue, CHANGES[command] ?? command);
  return json(work, { said }, reader);
}

/** What is done to the messages of the numbers, which are gathered together: one commit where they are not many. */
async function answerSingles(
  monitor: Monitor,
  kind: SingleKind,
  queue: string,
  query: URLSearchParams,
  reader: Reader,
): Promise<Response> {
  const { engine, work } = monitor;
  const numbers = kind === "return all" ? [1] : query.getAll("number").map(Number);
  const areNumbers = numbers.every((number) => Number.isSafeInteger(number) && number >= 1);
  if (!areNumbers || numbers.length === 0) {
    return refuse(400, "number is that of a message, from 1 on");
  }
  if (numbers.length > MAX_NUMBERS) return refuse(400, `more than ${MAX_NUMBERS} numbers`);
  // There may be very many to go back.
  reader.disconnectAfter(0);
  const all = await Promise.all(numbers.map((number) => runSingle(engine, kind, queue, number)));
  const failed = all.find((said) => said.startsWith("SERVER_ERROR"));
  const done = all.filter((said) => said === "OK").length;
  if (done > 0) noteChange(monitor, reader, queue, CHANGES[kind] ?? kind, done);
  if (failed !== undefined)
    return refuse(503, done === 0 ? failed : `${done} done, then: ${failed}`);
  if (done === 0) return refuse(404, GONE[kind]);
  return json(work, { said: "OK", done, missed: numbers.length - done }, reader);
}

/** Why there is nothing to be done to a message. */
const GONE: Readonly<Record<SingleKind, string>> = {
  "give back": "it is held no longer, or by another client",
  remove: "it is gone already",
  return: "it is no dead letter, is held, or is gone already",
  "return all": "there is no such queue",
};

/** What was done, for the list of events. */
const CHANGES: Readonly<Record<string, string>> = {
  flush: "flushed",
  delete: "deleted",
  pause: "delivery paused",
  resume: "delivery resumed",
  "give back": "message given back",
  remove: "message deleted",
  return: "dead letter returned",
  "return all": "all dead letters returned",
};

/** What was done here is seen on the page by all others. */
function noteChange(
  { events, engine }: Monitor,
  { account }: Reader,
  queue: string,
  what: string,
  times = 1,
): void {
  const text = account === undefined ? what : `${what}, by ${account.name}`;
  addEvent(events, engine.runtime.calendar(), "changed", { queue, text, times });
}
