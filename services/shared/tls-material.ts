import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readPrivateFile } from './private-file.ts'
import { StartFailure } from './start-failure.ts'

/** What a listener presents and trusts, read from PEM files and checked as a whole. */
export interface TlsMaterial {
  /** Leaf, then intermediates. */
  readonly certificate: string
  readonly key: string
  readonly leaf: X509Certificate
  /** Roots by trust domain. */
  readonly anchors: ReadonlyMap<string, readonly X509Certificate[]>
  /** All roots, as PEM. */
  readonly trusted: readonly string[]
  /** Lists of revoked certificates, as PEM: of the issuer of each certificate in a chain. Undefined: nobody looks for one. */
  readonly crls?: readonly string[]
}

export interface TlsPaths {
  cert: string
  key: string
  /** Trust domain to the PEM file with its root certificates. */
  anchors: Readonly<Record<string, string>>
}

/** The key must be for its user alone. Throws `StartFailure` (`config_invalid`) that names the file and what is wrong with it. */
export function readTlsMaterial(paths: TlsPaths): TlsMaterial {
  const certificate = readText(paths.cert, 'certificate')
  const leaf = certificatesIn(certificate, paths.cert)[0] as X509Certificate
  const key = readPrivateFile(paths.key, `the private key ${paths.key}`)
  if (!leaf.checkPrivateKey(parsePrivateKey(key, paths.key))) {
    throw new StartFailure(
      'config_invalid',
      `${paths.key} is not the key of the certificate in ${paths.cert}; give the pair that belongs together`,
    )
  }
  const anchors = new Map<string, readonly X509Certificate[]>()
  for (const [domain, file] of Object.entries(paths.anchors)) anchors.set(domain, readAnchors(file))
  const trusted = [...anchors.values()].flat().map((anchor) => anchor.toString())
  return { certificate, key, leaf, anchors, trusted }
}

/** The root certificates in one PEM file. An empty file must never come to mean "any CA". */
export function readAnchors(file: string): readonly X509Certificate[] {
  const anchors = certificatesIn(readText(file, 'trust anchor'), file)
  const notCa = anchors.find((anchor) => !anchor.ca)
  if (notCa !== undefined) {
    throw new StartFailure(
      'config_invalid',
      `${file} holds a certificate that is not a CA (${subjectOf(notCa)}); give the root of the trust domain`,
    )
  }
  return anchors
}

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new StartFailure(
      'config_invalid',
      `the ${what} ${file} cannot be read (${(cause as NodeJS.ErrnoException).code}); name a readable PEM file`,
      { cause },
    )
  }
}

/** The certificates in a text with PEM blocks; `file`: where it is from. Throws `StartFailure` (`config_invalid`). */
export function certificatesIn(pem: string, file: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) {
    throw new StartFailure('config_invalid', `${file} holds no certificate; give a PEM file with a CERTIFICATE block`)
  }
  return blocks.map((block) => {
    try {
      return new X509Certificate(block)
    } catch (cause) {
      throw new StartFailure('config_invalid', `${file} holds a damaged certificate; give a valid PEM file`, { cause })
    }
  })
}

function parsePrivateKey(pem: string, file: string) {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new StartFailure('config_invalid', `${file} holds no usable private key; give an unencrypted PEM key`, {
      cause,
    })
  }
}

function subjectOf(certificate: X509Certificate): string {
  return certificate.subject.replaceAll('\n', ', ')
}
