// The x509 package does not load without this polyfill, so it comes first.
import 'reflect-metadata'
import { createPrivateKey, type webcrypto } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { AsnConvert } from '@peculiar/asn1-schema'
import { CRLNumber, id_ce_cRLNumber } from '@peculiar/asn1-x509'
import {
  AuthorityKeyIdentifierExtension,
  Extension,
  PemConverter,
  X509Certificate,
  X509Crl,
  X509CrlGenerator,
} from '@peculiar/x509'
import { AuthorityInvalid } from './failures.ts'
import { replace } from './folder.ts'
import type { AuthorityFiles } from './layout.ts'

interface RootCrl {
  readonly files: AuthorityFiles
  readonly password: string
  readonly days: number
  readonly now?: Date
}

const dayMs = 86_400_000
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/**
 * Who checks revocation of a whole chain needs a CRL of its root, too, and a step-ca signs those of its issuing CA alone. This one lists
 * nobody. It is made anew once half of its life is over.
 *
 * @returns whether it was made now
 */
export async function keepRootCrl(wanted: RootCrl): Promise<boolean> {
  const { files, days, now = new Date() } = wanted
  const root = new X509Certificate(await readFile(files.root.cert, 'utf8'))
  const text = await readFile(files.rootCrl, 'utf8').catch(() => undefined)
  const found = text === undefined ? undefined : await readCrl(files.rootCrl, text, root)
  const left = (found?.nextUpdate?.getTime() ?? 0) - now.getTime()
  if (left > (days * dayMs) / 2) return false
  await replace(files.rootCrl, await newCrl(root, wanted))
  return true
}

async function newCrl(root: X509Certificate, { files, password, days, now = new Date() }: RootCrl): Promise<string> {
  const key = createPrivateKey({ key: await readFile(files.root.key, 'utf8'), passphrase: password })
  // RFC 5280 section 5.2.3: it grows. Two in one second would be the same.
  const number = new CRLNumber(Math.floor(now.getTime() / 1000))
  const crl = await X509CrlGenerator.create({
    issuer: root.subjectName,
    thisUpdate: now,
    nextUpdate: new Date(now.getTime() + days * dayMs),
    signingAlgorithm: algorithm,
    signingKey: key.toCryptoKey(algorithm, false, ['sign']) as webcrypto.CryptoKey,
    extensions: [
      await AuthorityKeyIdentifierExtension.create(root.publicKey),
      new Extension(id_ce_cRLNumber, false, AsnConvert.serialize(number)),
    ],
  })
  // RFC 7468 section 6: the package writes another label, by which OpenSSL finds no CRL, and leaves the last line open.
  return `${PemConverter.encode(crl.rawData, 'X509 CRL')}\n`
}

async function readCrl(file: string, text: string, root: X509Certificate): Promise<X509Crl> {
  try {
    const crl = new X509Crl(PemConverter.decodeFirst(text))
    if (await crl.verify({ publicKey: root })) return crl
  } catch (cause) {
    throw new AuthorityInvalid(file, 'is no CRL in PEM', { cause })
  }
  throw new AuthorityInvalid(file, 'is not signed by the root beside it')
}
