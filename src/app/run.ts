import { resolve } from "node:path";

import { optionError } from "../config/error.ts";
import type { Options } from "../config/options.ts";
import { type HttpListener, listenHttp, MAX_HTTP_CONNECTIONS } from "../http/server.ts";
import type { CertificateFiles } from "../net/certificate.ts";
import { newClients } from "../net/clients.ts";
import type { Listener } from "../net/listener.ts";
import { listenTcp } from "../net/tcp.ts";
import { MAX_HANDSHAKES, type ServerTls } from "../net/tls.ts";
import { listenUdp } from "../net/udp.ts";
import { listenUnix } from "../net/unix.ts";
import {
  isAwaited,
  leaveDirectory,
  reportReady,
  startDaemon,
  type StarterChannel,
} from "../os/daemon.ts";
import { raiseCoreFiles, raiseOpenFiles } from "../os/limits.ts";
import { notify } from "../os/notify.ts";
import { lookUpUser, type User } from "../os/user.ts";
import { info, setVerbosity } from "../util/log.ts";
import { program, version } from "../util/version.ts";
import { demandAccounts, readAccounts, reloadableAccounts } from "./auth.ts";
import { composeEngine } from "./compose.ts";
import { startMaintenance } from "./maintenance.ts";
import { reloadableQueueRules } from "./queue_rules.ts";
import { newReload, reloadableLog } from "./reload.ts";
import { handleSignals } from "./signals.ts";
import { closeListeners, type Stoppable, stopServer } from "./stop.ts";
import { readCertificateFiles, reloadableCertificate, startServerTls } from "./tls.ts";

/** Descriptors that the server needs beside those of its clients: files, listeners, the runtime's own. */
const OTHER_FILES = 64;

/**
 * Serves until a signal, in this process or, with -d, in a daemon.
 * @param args the arguments that the user typed
 * @throws Error when the server cannot start, in words for the user
 */
export async function run(
  options: Options,
  args: readonly string[],
  channel: StarterChannel,
): Promise<void> {
  if (!options.daemon) await serve(withAbsolutePaths(options), channel);
  else if (isAwaited(channel)) await serve(withDaemonPaths(withAbsolutePaths(options)), channel);
  else process.exit(await startDaemon(args, options.verbosity > 0));
}

/** Files that are read again later mean what the user typed, wherever the process is then. */
function withAbsolutePaths(options: Options): Options {
  const { authFile, queuesFile, tlsCert, tlsKey, tlsCa, store, storePasswordFile } = options;
  const absolute = (path: string | undefined) => (path === undefined ? undefined : resolve(path));
  return {
    ...options,
    authFile: absolute(authFile),
    queuesFile: absolute(queuesFile),
    tlsCert: absolute(tlsCert),
    tlsKey: absolute(tlsKey),
    tlsCa: absolute(tlsCa),
    storePasswordFile: absolute(storePasswordFile),
    store: store && { ...store, sslrootcert: absolute(store.sslrootcert) },
  };
}

/** With -r the daemon stays in its directory, because core files go there. */
function withDaemonPaths(options: Options): Options {
  return options.coreFiles ? options : { ...options, ...leaveDirectory(options) };
}

async function serve(options: Options, channel: StarterChannel): Promise<void> {
  setVerbosity(options.verbosity);
  const signals = handleSignals();
  // All that is read again at SIGHUP; the rest is added below.
  const reloadables = reloadableLog();
  signals.reload = newReload(reloadables);
  raiseLimits(options);
  const user = lookUpUser(options.user);
  const accounts = readAccounts(options);
  const certificate = readCertificateFiles(options);
  if (options.tlsCa !== undefined && certificate === undefined) {
    throw optionError("--tls-ca", "it needs --tls-cert, or one of --ping, --top and --drain-from");
  }
  const tls = startServerTls(certificate);
  const queueListeners = await listen(options, user, tls);
  const web = listenWeb(options, certificate);
  const listeners: Stoppable[] = [...queueListeners, ...web];
  signals.stop = async () => closeListeners(options, listeners);
  try {
    const engine = await composeEngine(options, user);
    if (accounts !== undefined) demandAccounts(engine, accounts);
    const clients = newClients(engine, options.connections);
    clients.tls = tls;
    engine.operator.reload = () => signals.reload();
    if (options.allowShutdown) engine.operator.shutdown = stopByClient;
    reloadables.push(...reloadableQueueRules(options, engine.backend));
    reloadables.push(...reloadableAccounts(options, clients));
    reloadables.push(...reloadableCertificate(options, tls, web));
    for (const listener of queueListeners) listener.serve(clients);
    for (const listener of web) listener.serve({ clients, options });
    const endMaintenance = startMaintenance(options, clients);
    signals.stop = () => stopServer(options, clients, listeners, endMaintenance);
  } catch (error) {
    closeListeners(options, listeners);
    throw error;
  }
  announce(listeners, channel);
}

/** The same clean stop as by a signal. */
function stopByClient(): void {
  info("a client has sent shutdown");
  process.kill(process.pid, "SIGTERM");
}

function raiseLimits({ coreFiles, connections, http, tlsCert }: Options): void {
  if (coreFiles) raiseCoreFiles();
  const httpConnections = http === undefined ? 0 : MAX_HTTP_CONNECTIONS;
  const handshakes = tlsCert === undefined ? 0 : MAX_HANDSHAKES;
  raiseOpenFiles(connections + httpConnections + handshakes + OTHER_FILES);
}

/** Takes the addresses, while this process may still be root. */
async function listen(
  options: Options,
  user: User | undefined,
  tls: ServerTls | undefined,
): Promise<Listener[]> {
  const { socket, socketMode, address, port, udpPort } = options;
  if (socket !== undefined) return [await listenUnix(socket, socketMode, user)];
  const hostnames = address && [...new Set(address.map(({ hostname }) => hostname))];
  const tcp = address?.map(({ hostname, port: own }) => listenTcp(hostname, own ?? port, tls));
  const udp = udpPort === 0 ? [] : await listenUdp(hostnames, udpPort);
  return [...(tcp ?? [listenTcp(undefined, port, tls)]), ...udp];
}

function listenWeb(options: Options, certificate: CertificateFiles | undefined): HttpListener[] {
  const { http, httpTls } = options;
  return http === undefined ? [] : [listenHttp(http, httpTls ? certificate : undefined)];
}

/** Tells the log, the process that started a daemon, and the service manager. */
function announce(listeners: readonly Stoppable[], channel: StarterChannel): void {
  const places = listeners.map(({ place }) => place);
  info(`${program} ${version} serves as process ${process.pid}`);
  for (const place of places) info(`listening on ${place}`);
  reportReady(channel);
  notify("READY=1", `STATUS=listening on ${places.join(", ")}`);
}
