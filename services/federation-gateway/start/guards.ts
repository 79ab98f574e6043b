import { createHash, type X509Certificate } from 'node:crypto'
import { type Guard, guard } from '../../shared/guard.ts'
import { isIssuedBy } from '../../shared/peer-certificate.ts'
import { StartFailure } from '../../shared/start-failure.ts'
import { readAnchors, readTlsMaterial, type TlsMaterial } from '../../shared/tls-material.ts'
import { leadsTo } from '../certificates/chain.ts'
import { type Configuration, nodeName } from '../config.ts'
import { type ProvisionerKey, ProvisionerKeyRefused, readProvisionerKey } from '../enrolment/provisioner-key.ts'
import { MOST_PREVIOUS } from '../sealing/keyring.ts'
import { weaknessOf } from '../sealing/secret.ts'
import { type SecretSetting, secretText } from './secret-text.ts'

/** A start on its way: each guard sets what it has read. */
export interface Start {
  readonly configuration: Configuration
  /** Milliseconds since 1970. */
  readonly now: number
  secrets?: Secrets
  ca?: PinnedCa
  provisionerKey?: ProvisionerKey
  material?: TlsMaterial
  /** SHA-256 of the root that the database knows; undefined until it was asked, or where it knows none. */
  recordedPin?: string | undefined
  failure?: StartFailure
}

export interface Secrets {
  readonly databaseUrl: string | undefined
  readonly sealing: { readonly secret: string; readonly previous: readonly string[] } | undefined
  readonly provisionerKey: string | undefined
  readonly operatorToken: string | undefined
}

export interface PinnedCa {
  /** Without a slash at its end. */
  readonly url: string
  readonly root: X509Certificate
  /** SHA-256 of its DER, in lower-case hex. */
  readonly fingerprint: string
}

const LEAST_TOKEN_BYTES = 32

/** Answers what a step of the start finds wrong, as the reason that it gives. */
function step(take: (start: Start) => void | Promise<void>): Guard<Start>['check'] {
  return async (start) => {
    try {
      await take(start)
      return undefined
    } catch (failure) {
      if (!(failure instanceof StartFailure)) throw failure
      start.failure = failure
      return { reason: failure.reason, status: null }
    }
  }
}

export const startConfig = guard<Start>(
  'start.config',
  ['config_invalid'],
  step((start) => {
    const { databaseUrl, databaseUrlFile, sealing, stepCa, admin } = start.configuration
    const read = (key: string, value: string | undefined, file: string | undefined) =>
      secretText({ key, value, file } satisfies SecretSetting)
    const secret = read('sealing.secret', sealing.secret, sealing.secretFile)
    const previous =
      read('sealing.previous', sealing.previous, sealing.previousFile)?.split(/\s+/).filter(Boolean) ?? []
    if (previous.length > MOST_PREVIOUS) {
      throw new StartFailure(
        'config_invalid',
        `sealing.previous has ${previous.length} secrets; rotate the keys (gateway keys rotate) and keep at most ${MOST_PREVIOUS}`,
      )
    }
    const operatorToken = read('admin.operatorToken', undefined, admin.operatorTokenFile)
    if (operatorToken !== undefined && Buffer.byteLength(operatorToken) < LEAST_TOKEN_BYTES) {
      throw new StartFailure(
        'config_invalid',
        `${admin.operatorTokenFile} holds a token of less than ${LEAST_TOKEN_BYTES} bytes; make a longer one`,
      )
    }
    start.secrets = {
      databaseUrl: read('databaseUrl', databaseUrl, databaseUrlFile),
      sealing: secret === undefined ? undefined : { secret, previous },
      provisionerKey: read('stepCa.provisionerKeyJson', stepCa.provisionerKeyJson, stepCa.provisionerKeyFile),
      operatorToken,
    }
  }),
)

/** Old ones only open: a weak one is the reason for which it is old. */
export const startSecret = guard<Start>(
  'start.secret',
  ['secret_weak'],
  step(({ secrets }) => {
    const weakness = secrets?.sealing && weaknessOf(secrets.sealing.secret)
    if (weakness === undefined) return
    throw new StartFailure(
      'secret_weak',
      `sealing.secret (BETTER_AUTH_SECRET) ${weakness}; make one: openssl rand -base64 32`,
    )
  }),
)

export const startCa = guard<Start>(
  'start.ca',
  ['ca_url', 'ca_root', 'ca_root_pin'],
  step((start) => {
    const { url, rootCertPath, rootFingerprint } = start.configuration.stepCa
    if (url === undefined || rootCertPath === undefined) return
    const parsed = URL.parse(url)
    const isBare = parsed?.pathname === '/' && parsed.search === '' && parsed.hash === '' && parsed.username === ''
    if (parsed?.protocol !== 'https:' || !isBare || parsed.password !== '') {
      throw new StartFailure(
        'ca_url',
        'stepCa.url (STEP_CA_URL) is not https://HOST:PORT; nothing is asked of a CA by any other way',
      )
    }
    const root = readRoot(rootCertPath)
    const fingerprint = createHash('sha256').update(root.raw).digest('hex')
    if (rootFingerprint !== undefined && rootFingerprint !== fingerprint) {
      throw new StartFailure(
        'ca_root_pin',
        `${rootCertPath} is another root than the pinned one (its SHA-256 is ${fingerprint}); put back the right file, or pin this one`,
      )
    }
    if (start.recordedPin !== undefined && start.recordedPin !== fingerprint) {
      throw new StartFailure(
        'ca_root_pin',
        `${rootCertPath} is another root than the one that the database knows (its SHA-256 is ${fingerprint}); put back the right file, or run gateway ca repin`,
      )
    }
    start.ca = { url: parsed.origin, root, fingerprint }
  }),
)

function readRoot(path: string): X509Certificate {
  const roots = asReason('ca_root', () => readAnchors(path))
  if (roots.length !== 1)
    throw new StartFailure('ca_root', `${path} holds ${roots.length} certificates; give the root alone`)
  const [root] = roots as [X509Certificate]
  if (isIssuedBy(root, root)) return root
  throw new StartFailure('ca_root', `${path} holds a CA that another one signed; give the root itself`)
}

export const startProvisioner = guard<Start>(
  'start.provisioner',
  ['provisioner_key'],
  step(async (start) => {
    const text = start.secrets?.provisionerKey
    if (text === undefined) return
    try {
      start.provisionerKey = await readProvisionerKey(text)
    } catch (failure) {
      if (!(failure instanceof ProvisionerKeyRefused)) throw failure
      throw new StartFailure(
        'provisioner_key',
        `the key of provisioner ${start.configuration.stepCa.provisionerName} is refused: ${failure.message}`,
      )
    }
  }),
)

export const startTls = guard<Start>(
  'start.tls',
  ['server_tls', 'client_ca'],
  step((start) => {
    const { tls, clientCa, stepCa, publicName } = start.configuration
    const { ca } = start
    const material = asReason('server_tls', () => readTlsMaterial({ ...tls, anchors: {} }))
    const { leaf } = material
    if (leaf.checkHost(publicName, { subject: 'never' }) === undefined) {
      throw new StartFailure(
        'server_tls',
        `${tls.cert} has no DNS SAN for ${publicName}, the publicName of ${nodeName(start.configuration)}; get one that has`,
      )
    }
    if (leaf.validToDate.getTime() <= start.now) {
      throw new StartFailure('server_tls', `${tls.cert} ended ${leaf.validToDate.toISOString()}; get a new one`)
    }
    const path = clientCa ?? stepCa.rootCertPath
    const read = () => (path === undefined ? [] : asReason('client_ca', () => readAnchors(path)))
    // The root that was judged, and not what its file holds by now.
    const anchors = clientCa === undefined && ca !== undefined ? [ca.root] : read()
    start.material = { ...material, anchors: new Map([['peers', anchors]]), trusted: anchors.map(String) }
  }),
)

function asReason<Value>(reason: string, read: () => Value): Value {
  try {
    return read()
  } catch (failure) {
    if (failure instanceof StartFailure) throw new StartFailure(reason, failure.message)
    throw failure
  }
}

/** What must be right before a socket is opened, in the order of evaluation. The database has its own. */
export const START_GUARDS = [startConfig, startSecret, startCa, startProvisioner, startTls]

/** The CAs that may sign a list of revoked certificates: those of `clientCa` that the root, by way of others or not, has signed. */
export function issuingCas({ ca, material }: Pick<Start, 'ca' | 'material'>, now: number): X509Certificate[] {
  const cas = material?.anchors.get('peers') ?? []
  return ca === undefined
    ? []
    : cas.filter((one) => one.raw.equals(ca.root.raw) || leadsTo(ca.root, chainAbove(one, cas), now))
}

function chainAbove(one: X509Certificate, cas: readonly X509Certificate[]): X509Certificate[] {
  const above = cas.find((other) => other !== one && one.checkIssued(other))
  return above === undefined || above.checkIssued(above) ? [one] : [one, above]
}
