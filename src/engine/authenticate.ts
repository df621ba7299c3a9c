import { credentialsOf } from "../protocol/credentials.ts";
import { AUTHENTICATION_FAILED, NOT_ALLOWED, UNAUTHENTICATED } from "../protocol/errors.ts";
import { refuse, type Request } from "../protocol/request.ts";
import { authenticate, noteMalformed } from "./access/access.ts";
import type { Account } from "./access/account.ts";
import { refusalOf } from "./access/rights.ts";
import type { Engine, Session } from "./engine.ts";
import { addEntry } from "./group.ts";
import { keepBody } from "./records.ts";
import { joinTraffic, leaveTraffic } from "./traffic.ts";
import { endWait } from "./waiters.ts";
import { PLAIN } from "./weights.ts";

/* How a client authenticates. Until then it has no rights, and its requests are refused. */

/** Where accounts are needed, a new client has none yet. */
export function lock(session: Session): void {
  const { engine, input } = session;
  if (engine.access === undefined) return;
  session.account = engine.access.nobody;
  input.authentication = "needed";
}

/** Turns a request that the client has no right to into an error. Its body has been read, so the client stays in step. */
export function refuseForbidden(session: Session, account: Account, request: Request): void {
  // The hot path of accounts without rights of their own: everything is allowed.
  if (account.grants === undefined) return;
  const refusal = refusalOf(session, account, request);
  if (refusal === undefined) return;
  refuse(request, refusal, refusal === "not allowed" ? NOT_ALLOWED : UNAUTHENTICATED);
}

/** Nothing more is read from the client before its name and secret are checked. */
export function addAuthenticate(engine: Engine, session: Session, request: Request): void {
  const { access } = engine;
  if (access === undefined) return addResult(engine, session, request, undefined);
  keepBody(request);
  const credentials = credentialsOf(request);
  if (credentials === undefined) {
    noteMalformed(access, session.address());
    return addResult(engine, session, request, undefined);
  }
  const { name, secret } = credentials;
  session.cancelCheck = authenticate(access, name, secret, session.address(), (account) => {
    session.cancelCheck = undefined;
    if (session.phase === "closed") return;
    addResult(engine, session, request, account);
    engine.runnable.add(session);
    engine.requestTurn();
  });
}

function addResult(
  engine: Engine,
  session: Session,
  request: Request,
  account: Account | undefined,
): void {
  if (account === undefined) refuse(request, "unauthenticated", AUTHENTICATION_FAILED);
  else {
    session.account = account;
    leaveTraffic(session.traffic);
    session.traffic = joinTraffic(engine.traffic, account.name);
    session.input.authentication = "done";
  }
  addEntry(engine, "none", session, request, PLAIN);
}

/** The rights of accounts have changed: a client that waits for a message may have lost that of its queue. */
export function endForbiddenWaits(engine: Engine): void {
  for (const session of engine.sessions) {
    const { account, wait, current } = session;
    if (account === undefined || wait === undefined || current === undefined) continue;
    if (refusalOf(session, account, current) !== undefined) endWait(engine, session);
  }
}
