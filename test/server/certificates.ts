/** Certificates for tests, made with openssl. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";

/** The files of a certificate and its key, in PEM. */
export type Pair = { cert: string; key: string };

const P256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

function openssl(...args: string[]): void {
  const { success, stderr } = Bun.spawnSync(["openssl", ...args]);
  if (!success) throw new Error(`openssl ${args[0]}: ${stderr.toString()}`);
}

function newPair(directory: string): Pair {
  const own = mkdtempSync(join(directory, "tls-"));
  return { cert: join(own, "cert.pem"), key: join(own, "key.pem") };
}

/** A certificate that has signed itself, for this machine: an authority, too. Its files are in the directory. */
export function selfSigned(directory: string, name = "localhost"): Pair {
  const { cert, key } = newPair(directory);
  const names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const subject = ["-subj", `/CN=${name}`, "-days", "30"];
  openssl("req", "-x509", ...P256, ...subject, ...names, "-keyout", key, "-out", cert);
  return { cert, key };
}

/** A certificate of the authority. @param days until it ends; -1 is yesterday */
export function signedBy(authority: Pair, directory: string, name: string, days = 30): Pair {
  const { cert, key } = newPair(directory);
  const request = `${cert}.request`;
  openssl("req", ...P256, "-subj", `/CN=${name}`, "-keyout", key, "-out", request);
  const sign = ["-CA", authority.cert, "-CAkey", authority.key, "-CAcreateserial"];
  openssl("x509", "-req", "-in", request, ...sign, "-days", String(days), "-out", cert);
  return { cert, key };
}

export function tlsFlags({ cert, key }: Pair): string[] {
  return ["--tls-cert", cert, "--tls-key", key];
}
