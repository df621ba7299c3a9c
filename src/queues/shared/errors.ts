import { SQL } from "bun";

/** What an error of PostgreSQL, or of the way to it, means for a turn. */
export type Failure =
  /** There is no connection, or it ended: whether the statement was executed is unknown. */
  | { kind: "away"; reason: string }
  /** Nothing was executed, and the same may succeed the next time. */
  | { kind: "again"; reason: string }
  /** A queue of this name is used, and is not locked, or not there. */
  | { kind: "name"; name: string }
  /** The queue of this id was deleted. */
  | { kind: "deleted"; id: number }
  /** A limit is near: messages have to be added one by one. */
  | { kind: "limit" }
  /** Other servers gave this one up. */
  | { kind: "given up" }
  /** Nothing was executed, and it will not be: in words for the client. */
  | { kind: "refused"; reason: string };

/** Errors that say that the server stops, starts, or is no longer the primary one; and that a lock took too long. */
const AWAY = /^(08...|57P0[1-5]|25006)$/;
const AGAIN = /^(40001|40P01|55P03|57014|53300)$/;

/** Why PostgreSQL can't be used at all, in one line for the operator. */
export class UnusableError extends Error {}

export function failureOf(error: unknown): Failure {
  if (error instanceof UnusableError) return { kind: "refused", reason: error.message };
  if (!(error instanceof SQL.PostgresError)) throw error;
  const { code, errno, message } = error;
  const state = String(errno ?? "");
  const reason = plainReason(error);
  if (state === "MQ001")
    return { kind: "name", name: Buffer.from(message, "hex").toString("latin1") };
  if (state === "MQ002") return { kind: "deleted", id: Number(message) };
  if (state === "MQ003") {
    return {
      kind: "refused",
      reason: "a pool stands before PostgreSQL that changes connections between transactions",
    };
  }
  if (state === "MQ004") return { kind: "given up" };
  if (state === "MQ006") return { kind: "limit" };
  if (AWAY.test(state)) return { kind: "away", reason };
  if (AGAIN.test(state)) return { kind: "again", reason };
  const isServers = code === "ERR_POSTGRES_SERVER_ERROR" || code === "ERR_POSTGRES_SYNTAX_ERROR";
  return isServers ? { kind: "refused", reason } : { kind: "away", reason };
}

/** An error's message for people: one line, without codes. */
export function plainReason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s+/g, " ").trim();
}

/** The SQLSTATE of an error; "" when it has none. */
export function stateOf(error: unknown): string {
  return error instanceof SQL.PostgresError ? String(error.errno ?? "") : "";
}
