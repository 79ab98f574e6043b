import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { HoldfastError } from '../errors.ts'
import { trustEnvironment } from '../settings.ts'
import { chainOf } from './certificate.ts'

/** A file of the user's, and the setting that names it (`nodes.ca.units.ca.settings.root.cert`). */
export interface GivenFile {
  readonly path: string
  readonly setting: string
}

/** A private key, and the file with the password that it is encrypted with, if it is. */
export interface GivenKey {
  readonly key: GivenFile
  readonly password?: GivenFile
}

/** A file is not there, or cannot be read. Code `HOLDFAST_FILE_UNREADABLE`. */
export class FileUnreadable extends HoldfastError {
  constructor(file: GivenFile, cause: NodeJS.ErrnoException) {
    const why = cause.code === 'ENOENT' ? 'is not there' : `cannot be read (${cause.code ?? cause.message})`
    super('HOLDFAST_FILE_UNREADABLE', told(file, why, 'name a file that you can read'))
  }
}

/** A secret that everybody on this machine can read or write. Code `HOLDFAST_SECRET_EXPOSED`. */
export class SecretExposed extends HoldfastError {
  constructor(file: GivenFile, mode: number) {
    const why = `has mode 0${(mode & 0o777).toString(8)}, so everybody on this machine can have it`
    super('HOLDFAST_SECRET_EXPOSED', told(file, why, `chmod o= ${file.path}`))
  }
}

/** A file holds no certificate, or not the ones that it should. Code `HOLDFAST_NO_CERTIFICATE`. */
export class NoCertificate extends HoldfastError {
  constructor(file: GivenFile, why: string, wayOut: string) {
    super('HOLDFAST_NO_CERTIFICATE', told(file, why, wayOut))
  }
}

/** A file holds no private key, or none of a kind that is signed with today. Code `HOLDFAST_NO_KEY`. */
export class NoKey extends HoldfastError {
  constructor(file: GivenFile, why: string) {
    super('HOLDFAST_NO_KEY', told(file, why, 'name the key as PEM: EC (P-256, P-384, P-521) or RSA of 2048 bits'))
  }
}

/** A key is encrypted, and its password is not known. Code `HOLDFAST_KEY_LOCKED`. */
export class KeyLocked extends HoldfastError {
  constructor(file: GivenFile, password: GivenFile | undefined) {
    const why = password === undefined ? 'is encrypted' : `is not opened by the password in ${password.path}`
    super('HOLDFAST_KEY_LOCKED', told(file, why, 'name a file with its password: "password": "FILE"'))
  }
}

/** A key is not the one of its certificate. Code `HOLDFAST_KEY_UNFIT`. */
export class KeyUnfit extends HoldfastError {
  constructor(key: GivenFile, cert: GivenFile) {
    super(
      'HOLDFAST_KEY_UNFIT',
      told(key, `is not the key of the certificate in ${cert.path}`, 'name the two that belong together'),
    )
  }
}

/** A certificate has expired, or is not valid yet. Code `HOLDFAST_OUT_OF_TIME`. */
export class OutOfTime extends HoldfastError {
  constructor(file: GivenFile, { subject, validFromDate: from, validToDate: to }: X509Certificate, now: number) {
    const why = to.getTime() <= now ? `expired ${to.toISOString()}` : `begins ${from.toISOString()}`
    super(
      'HOLDFAST_OUT_OF_TIME',
      told(file, `${nameOf(subject)} ${why}`, 'name one that is valid while the run goes on'),
    )
  }
}

/** For messages: the setting, the file, what is wrong with it, and what to do. */
export function told({ setting, path }: GivenFile, why: string, wayOut: string): string {
  return `${setting}: ${path} ${why}; ${wayOut}`
}

export function nameOf(subject: string): string {
  return `"${subject.replaceAll('\n', ', ')}"`
}

/** @throws FileUnreadable */
export async function readGiven(file: GivenFile): Promise<string> {
  return readFile(file.path, 'utf8').catch((cause) => {
    throw new FileUnreadable(file, cause)
  })
}

/** The same of what nobody else may read: the group may, as it is with keys of services. @throws FileUnreadable, SecretExposed */
export async function readSecret(file: GivenFile): Promise<string> {
  const text = await readGiven(file)
  const { mode } = await stat(file.path)
  if ((mode & 0o007) !== 0) throw new SecretExposed(file, mode)
  return text
}

/** @throws FileUnreadable, NoCertificate, OutOfTime */
export async function readCertificates(file: GivenFile, now: number): Promise<X509Certificate[]> {
  const certificates = certificatesIn(file, await readGiven(file))
  const late = certificates.find(({ validFromDate, validToDate }) => now < +validFromDate || now >= +validToDate)
  if (late !== undefined) throw new OutOfTime(file, late, now)
  return certificates
}

function certificatesIn(file: GivenFile, text: string): X509Certificate[] {
  try {
    const found = chainOf(text)
    if (found.length > 0) return found
  } catch {
    throw new NoCertificate(file, 'holds a certificate that cannot be read', 'name it as PEM')
  }
  throw new NoCertificate(file, 'holds no certificate', 'name it as PEM: "-----BEGIN CERTIFICATE-----"')
}

/** @throws FileUnreadable, SecretExposed */
export async function readPassword(file: GivenFile): Promise<string> {
  return passwordIn(await readSecret(file))
}

/** The first line of a password's file, as OpenSSL and step read it. */
export function passwordIn(text: string): string {
  return text.split(/\r?\n/)[0]!
}

/** @throws FileUnreadable, SecretExposed, NoKey, KeyLocked, KeyUnfit */
export async function demandKey(
  { key: file, password }: GivenKey,
  cert: GivenFile,
  of: X509Certificate,
): Promise<void> {
  const key = keyIn(file, await readSecret(file), password, password && (await readPassword(password)))
  if (!isOfToday(key)) throw new NoKey(file, `holds a key (${key.asymmetricKeyType}) that nobody takes signatures of`)
  if (!of.checkPrivateKey(key)) throw new KeyUnfit(file, cert)
}

function keyIn(file: GivenFile, pem: string, at: GivenFile | undefined, passphrase: string | undefined): KeyObject {
  const isLocked = /ENCRYPTED/.test(pem)
  try {
    if (!isLocked) return createPrivateKey(pem)
    if (passphrase !== undefined) return createPrivateKey({ key: pem, passphrase })
  } catch {
    if (!isLocked) throw new NoKey(file, 'holds no private key')
  }
  throw new KeyLocked(file, at)
}

function isOfToday({ asymmetricKeyType, asymmetricKeyDetails: details }: KeyObject): boolean {
  if (asymmetricKeyType === 'rsa') return (details?.modulusLength ?? 0) >= 2048
  return ['prime256v1', 'secp384r1', 'secp521r1'].includes(details?.namedCurve ?? '')
}

/** Whether roots are there, in a file or in the trust store of this machine. @throws FileUnreadable, NoCertificate */
export async function demandRoots(file: GivenFile): Promise<void> {
  if (file.path !== systemRoots) certificatesIn(file, await readGiven(file))
  else if ((await rootsAt(file.path)) === '') {
    const wayOut = 'install ca-certificates, let SSL_CERT_FILE name a bundle, or name one here'
    throw new NoCertificate(file, '(the trust store of this machine) holds no root', wayOut)
  }
}

/** In place of the path of a file with roots: those that this machine trusts, or that `SSL_CERT_FILE` and `SSL_CERT_DIR` name. */
export const systemRoots = 'system'

/** The roots in a file, or those that this machine trusts, PEM. */
export async function rootsAt(path: string): Promise<string> {
  if (path !== systemRoots) return readFile(path, 'utf8')
  // Node looks once in the life of a process, and another lab of the same process may be told of another bundle.
  const { SSL_CERT_FILE: bundle } = trustEnvironment()
  const named = bundle === undefined ? '' : await readFile(bundle, 'utf8').catch(() => '')
  // An agent that starts without any TLS need not load it.
  const { getCACertificates } = await import('node:tls')
  return [named, ...getCACertificates('system')].filter((text) => text !== '').join('\n')
}
