import { readOptionFile } from "../config/file.ts";
import type { Options } from "../config/options.ts";
import type { HttpListener } from "../http/server.ts";
import type { PeerTls } from "../import/peer.ts";
import { type CertificateFiles, checkAuthority, type NamedFile } from "../net/certificate.ts";
import { changeCertificate, newServerTls, type ServerTls } from "../net/tls.ts";
import { info } from "../util/log.ts";
import { type Reloadable, warnUnlessReadable } from "./reload.ts";

/* The files of TLS: what a server shows and demands, and what those trust that connect to one. */

/**
 * The files of --tls-cert, --tls-key and --tls-ca; undefined without them.
 * @throws OptionError when one cannot be read
 */
export function readCertificateFiles(options: Options): CertificateFiles | undefined {
  const { tlsCert, tlsKey, tlsCa } = options;
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  return {
    cert: readNamed("--tls-cert", tlsCert),
    key: readNamed("--tls-key", tlsKey),
    ca: tlsCa === undefined ? undefined : readNamed("--tls-ca", tlsCa),
  };
}

function readNamed(option: `--${string}`, path: string): NamedFile {
  return { name: `${option} ${path}`, content: readOptionFile(option, path) };
}

/** @throws Error that names the file and what is wrong with it, in words for the user */
export function startServerTls(files: CertificateFiles | undefined): ServerTls | undefined {
  if (files === undefined) return undefined;
  const tls = newServerTls(files);
  tellCertificate(tls);
  return tls;
}

function tellCertificate({ subject: { name, validTo } }: ServerTls): void {
  info(`TLS: the certificate is that of ${name}, valid until ${validTo.toISOString()}`);
}

/** Reading the files again: new connections have the new certificate. Nothing without TLS. */
export function reloadableCertificate(
  options: Options,
  tls: ServerTls | undefined,
  web: readonly HttpListener[],
): Reloadable[] {
  const { tlsCert, tlsKey, tlsCa, httpTls } = options;
  if (tls === undefined || tlsCert === undefined) return [];
  for (const path of [tlsCert, tlsKey, tlsCa]) if (path !== undefined) warnUnlessReadable(path);
  const reload = () => {
    const files = readCertificateFiles(options);
    if (files === undefined) return;
    changeCertificate(tls, files);
    tellCertificate(tls);
    if (httpTls) for (const listener of web) listener.renew(files);
  };
  return [{ what: `the certificate ${tlsCert}`, reload }];
}

/**
 * How the server that these options would start is spoken to, or with --drain-from the other server; undefined: without
 * TLS. A server of one's own may have any certificate.
 * @throws Error when a file is wrong, in words for the user
 */
export function readPeerTls(options: Options): PeerTls | undefined {
  const { tlsCert, tlsCa, tlsInsecure, drainFrom } = options;
  if (tlsCert === undefined && tlsCa === undefined && !tlsInsecure) return undefined;
  const own = readCertificateFiles(options);
  const ca = tlsCa === undefined ? undefined : readNamed("--tls-ca", tlsCa);
  if (ca !== undefined) checkAuthority(ca);
  const isOwnServer = drainFrom === undefined && own !== undefined;
  return {
    rejectUnauthorized: !tlsInsecure && !isOwnServer,
    ...(ca === undefined ? {} : { ca: ca.content }),
    ...(own === undefined ? {} : { cert: own.cert.content, key: own.key.content }),
  };
}
