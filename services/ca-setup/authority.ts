import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import type { Configuration } from './config.ts'
import { AuthorityInvalid } from './failures.ts'
import { type AuthorityFiles, filesIn } from './layout.ts'
import { step } from './step.ts'

/** Root and issuing CA, with keys of their own. */
export async function makeAuthority(
  folder: string,
  { step: program, name, passwordFile, rootDays }: Configuration,
): Promise<void> {
  const { root, issuing, fingerprint } = filesIn(folder)
  const password = ['--password-file', passwordFile, '--not-after', `${rootDays * 24}h`]
  const create = (subject: string, { cert, key }: typeof root, profile: readonly string[]) =>
    step(program, folder, ['certificate', 'create', subject, cert, key, '--profile', ...profile, ...password])
  await create(`${name} root`, root, ['root-ca'])
  const signer = ['--ca', root.cert, '--ca-key', root.key, '--ca-password-file', passwordFile]
  await create(`${name} issuing CA`, issuing, ['intermediate-ca', ...signer])
  await writeFile(fingerprint, `${fingerprintOf(await certificateAt(root.cert))}\n`, { mode: 0o600 })
}

/** What lies there is a CA whose keys the password opens, and the one that was written down. @throws AuthorityInvalid */
export async function checkedFingerprint(files: AuthorityFiles, password: string): Promise<string> {
  const [root, issuing] = [await certificateAt(files.root.cert), await certificateAt(files.issuing.cert)]
  await demandKey(files.root.key, root, password)
  await demandKey(files.issuing.key, issuing, password)
  if (!issuing.checkIssued(root) || !issuing.verify(root.publicKey)) {
    throw new AuthorityInvalid(files.issuing.cert, 'is not signed by the root beside it')
  }
  const known = (await readable(files.fingerprint)).trim()
  const found = fingerprintOf(root)
  if (found === known) return found
  throw new AuthorityInvalid(files.root.cert, `is another root than ${files.fingerprint} tells`)
}

async function demandKey(file: string, certificate: X509Certificate, password: string): Promise<void> {
  const key = openedBy(password, await readable(file))
  if (key === undefined) throw new AuthorityInvalid(file, 'is no key that the password opens')
  if (!certificate.checkPrivateKey(key)) throw new AuthorityInvalid(file, 'is not the key of its certificate')
}

function openedBy(passphrase: string, key: string) {
  try {
    return createPrivateKey({ key, passphrase })
  } catch {
    // Whatever OpenSSL says of it: it may quote what it read.
    return undefined
  }
}

async function certificateAt(file: string): Promise<X509Certificate> {
  const text = await readable(file)
  try {
    return new X509Certificate(text)
  } catch (cause) {
    throw new AuthorityInvalid(file, 'is no certificate in PEM', { cause })
  }
}

async function readable(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new AuthorityInvalid(file, `cannot be read (${cause.code})`, { cause })
  })
}

function fingerprintOf({ fingerprint256 }: X509Certificate): string {
  return fingerprint256.replaceAll(':', '').toLowerCase()
}
