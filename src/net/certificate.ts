import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";

/** A file that an option names, as it was read. */
export interface NamedFile {
  /** `--tls-cert /etc/queue.pem` */
  name: string;
  content: Buffer;
}

/** What a server shows its clients, and whose certificates it demands of them; in PEM. */
export interface CertificateFiles {
  cert: NamedFile;
  key: NamedFile;
  ca: NamedFile | undefined;
}

/** A certificate, for people. */
export interface Subject {
  name: string;
  validTo: Date;
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g;

/**
 * Looks whether clients could be served with these files now.
 * @throws Error that names the file and what is wrong with it, in words for the user
 */
export function checkCertificate({ cert, key, ca }: CertificateFiles): Subject {
  const certificate = firstCertificate(cert);
  const privateKey = readKey(key);
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new Error(`${key.name}: it is the key of another certificate than ${cert.name}`);
  }
  for (const each of ca === undefined ? [] : certificatesIn(ca)) checkDates(ca as NamedFile, each);
  checkDates(cert, certificate);
  return { name: certificate.subject, validTo: certificate.validToDate };
}

/** @throws Error when there is no authority's certificate in it, or one that is not valid now */
export function checkAuthority(ca: NamedFile): void {
  for (const certificate of certificatesIn(ca)) checkDates(ca, certificate);
}

function firstCertificate(file: NamedFile): X509Certificate {
  const [first] = certificatesIn(file);
  if (first === undefined) throw noCertificate(file);
  return first;
}

function certificatesIn(file: NamedFile): X509Certificate[] {
  const found = file.content.toString("latin1").match(PEM_CERTIFICATE);
  if (found === null) throw noCertificate(file);
  try {
    return found.map((pem) => new X509Certificate(pem));
  } catch {
    throw new Error(`${file.name}: a certificate in it is damaged`);
  }
}

function noCertificate({ name, content }: NamedFile): Error {
  const isKey = content.includes("PRIVATE KEY-----");
  return new Error(
    isKey
      ? `${name}: it has a key, where a certificate is needed`
      : `${name}: there is no certificate in PEM form in it (-----BEGIN CERTIFICATE-----)`,
  );
}

function readKey({ name, content }: NamedFile): KeyObject {
  if (!content.includes("PRIVATE KEY-----")) {
    throw new Error(`${name}: there is no key in PEM form in it (-----BEGIN PRIVATE KEY-----)`);
  }
  if (/-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(content.toString("latin1"))) {
    throw new Error(`${name}: the key has a passphrase, and must have none`);
  }
  try {
    return createPrivateKey(content);
  } catch {
    throw new Error(`${name}: the key in it is damaged`);
  }
}

function checkDates({ name }: NamedFile, { validToDate, validFromDate }: X509Certificate): void {
  const now = new Date();
  if (validToDate < now)
    throw new Error(`${name}: the certificate has expired on ${shown(validToDate)}`);
  if (validFromDate > now) {
    throw new Error(`${name}: the certificate is valid from ${shown(validFromDate)} on only`);
  }
}

function shown(date: Date): string {
  return date.toISOString().replace(".000", "");
}
