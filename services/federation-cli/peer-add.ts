import { createHash, X509Certificate } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { certificatesInPem } from '../federation-gateway/certificates/pem.ts'
import {
  type EnrolmentUrl,
  EnrolmentUrlRefused,
  isFederationUrl,
  readEnrolmentUrl,
} from '../federation-gateway/enrolment/url.ts'
import { isUuid } from '../federation-gateway/ids.ts'
import type { AdminAnswer } from '../federation-gateway/wire/admin.ts'
import { enrolmentAnswer } from '../federation-gateway/wire/answers.ts'
import { dropCertificate, type Enrolled, keepCertificate, readCertificate } from './certificate-file.ts'
import { readRoots } from './config.ts'
import { CommandFailed, EXIT } from './failure.ts'
import type { Gateway } from './gateway.ts'
import { contentOf, createAsker, demandNoRedirect } from './https.ts'
import { readInvitation } from './invitation.ts'
import { type AddOptions, shownPeer } from './peer-commands.ts'
import { userId } from './resolve.ts'
import type { Shown } from './run.ts'

export type PeerToAdd = AddOptions & { readonly url?: string | undefined }

/** An invitation, once it was read and found good. */
interface Invited {
  /** As it was given, with its fragment. */
  readonly given: string
  readonly url: EnrolmentUrl
  /** PEM of the one root that is named for the other gateway. Undefined: it is our own gateway's. */
  readonly caPem: string | undefined
}

/** `peer add`: a key at our gateway, a certificate of the other one for it, and that one brought to ours. */
export async function addPeer(gateway: Gateway, options: PeerToAdd): Promise<Shown> {
  demandUsage(options)
  const { resume, certificate } = options
  if (certificate !== undefined) return complete(gateway, resume!, readCertificate(certificate))
  const invited = await readInvited(options)
  // What can be known before anything is made is known before.
  if (invited.caPem !== undefined) await proveServer(invited.url, invited.caPem)
  const begun = await begin(gateway, options, invited)
  return complete(gateway, begun.peerId, await enrol(invited, begun))
}

function demandUsage({ url, invitation, resume, certificate }: PeerToAdd): void {
  const usage = (what: string) => new CommandFailed('usage', `${what}; see federation peer add --help`, EXIT.usage)
  if (resume !== undefined && !isUuid(resume)) throw usage('--resume takes the id of a peer')
  if (certificate !== undefined && resume === undefined) throw usage('--certificate belongs to --resume')
  const given = [url, invitation, certificate].filter((one) => one !== undefined)
  if (given.length !== 1) throw usage('give one of an enrolment URL, --invitation, and --resume with --certificate')
}

async function readInvited(options: PeerToAdd): Promise<Invited> {
  const { url, ca, invitation: file } = options
  const invitation = file === undefined ? undefined : readInvitation(file)
  // A command line can be read by everybody on the machine, standard input by nobody.
  const given = invitation?.enrollmentUrl ?? (url === '-' ? (await text(process.stdin)).trim() : url!)
  const read = readUrl(given)
  const offered = ca === undefined ? rootsIn(invitation?.caPem) : readRoots(ca)
  const caPem = offered && rootFor(read, offered, ca ?? file!)
  return { given, url: read, caPem }
}

function readUrl(given: string): EnrolmentUrl {
  try {
    return readEnrolmentUrl(given)
  } catch (failure) {
    if (failure instanceof EnrolmentUrlRefused) throw new CommandFailed('enrolment_url', failure.message)
    throw failure
  }
}

function rootsIn(pem: string | undefined): string[] | undefined {
  return pem === undefined ? undefined : (certificatesInPem(pem) ?? []).map(String)
}

/** The one root that the other gateway must lead to: that which the invitation pins. @throws CommandFailed */
function rootFor({ pins }: EnrolmentUrl, roots: readonly string[], file: string): string {
  const fitting = pins === undefined ? roots : roots.filter((pem) => fingerprintOf(pem) === pins.ca)
  const [root, ...more] = fitting
  if (root !== undefined && more.length === 0) return root
  const why =
    pins === undefined
      ? `holds ${roots.length} roots, and one is meant`
      : `does not hold the root that the invitation pins (${pins.ca})`
  throw new CommandFailed('enrolment_ca', `${file} ${why}; ask whoever invited you for the root of their CA`)
}

function fingerprintOf(pem: string): string {
  return createHash('sha256').update(new X509Certificate(pem).raw).digest('hex')
}

const theOther = { what: 'the other gateway' }

function serverOf({ url, host }: EnrolmentUrl, caPem: string) {
  return {
    ...{ ...theOther, origin: new URL(url).origin, ca: [caPem] },
    untrusted: `nothing was sent: ask whoever runs ${host} for the root of their CA (--ca), and for a certificate with that name`,
  }
}

/** First contact is verified TLS, with who answers there himself, or does not happen; nothing but an open question is sent. */
async function proveServer(url: EnrolmentUrl, caPem: string): Promise<void> {
  const asker = createAsker(serverOf(url, caPem))
  try {
    demandNoRedirect(await asker.ask({ method: 'GET', path: '/healthz' }), theOther)
  } finally {
    asker.close()
  }
}

type Begun = AdminAnswer<'peer:keypair'>

async function begin(
  gateway: Gateway,
  { for: user, resume }: PeerToAdd,
  { given, url, caPem }: Invited,
): Promise<Begun> {
  const body = {
    enrollmentUrl: given,
    ...(user !== undefined && { ownerUserId: await userId(gateway, user) }),
    ...(caPem !== undefined && { caPem }),
    ...(resume !== undefined && { peerId: resume }),
  }
  const begun = await gateway.ask('peer:keypair', { body }).catch((failure: unknown) => {
    if (!(failure instanceof CommandFailed) || failure.code !== 'conflict') throw failure
    const hint = `has that user a peer at ${url.host} already? See federation peer list: remove it, or go on with --resume ID`
    throw new CommandFailed(failure.code, `${failure.message}; ${hint}`, failure.exitCode)
  })
  // Our own gateway has looked at it, too. This is where the request would leave.
  const [root, ...more] = rootsIn(begun.caPem) ?? []
  const isPinned =
    root !== undefined && more.length === 0 && (url.pins === undefined || fingerprintOf(root) === url.pins.ca)
  if (isPinned && (caPem === undefined || fingerprintOf(root) === fingerprintOf(caPem))) return begun
  throw new CommandFailed(
    'enrolment_ca',
    `our gateway would go by another root than the invitation; ${onceMore(begun, '--ca FILE')}`,
  )
}

function onceMore({ peerId }: Pick<Begun, 'peerId'>, more: string): string {
  return `go on with: federation peer add --resume ${peerId} ${more}`
}

/** Sends the request, to whoever has proven to be the other gateway, and nowhere else. */
async function enrol({ url, caPem }: Invited, begun: Begun): Promise<Enrolled> {
  const asker = createAsker(serverOf(url, begun.caPem))
  try {
    // By which root it must prove itself, our gateway has said only now.
    if (caPem === undefined) await proveServer(url, begun.caPem)
    const { pathname } = new URL(url.url)
    const answer = await asker.ask({ method: 'POST', path: pathname, body: { csrPem: begun.csrPem } })
    const { certPem, certChainPem, grantId, subjectUserId, federationUrl } = contentOf(
      answer,
      enrolmentAnswer,
      theOther,
    )
    const enrolled = { certPem, certChainPem, grantId, subjectUserId, federationUrl }
    demandInvited(enrolled, url)
    return enrolled
  } catch (failure) {
    if (!(failure instanceof CommandFailed)) throw failure
    const { code, message, exitCode } = failure
    throw new CommandFailed(code, `${message}; ${wayOn(failure, begun)}`, exitCode)
  } finally {
    asker.close()
  }
}

/** Whose invitation it is says the fragment, which no server has seen. */
function demandInvited({ grantId, subjectUserId, federationUrl }: Enrolled, { pins, host }: EnrolmentUrl): void {
  if (pins !== undefined && (pins.grant !== grantId || pins.subject !== subjectUserId)) {
    throw new CommandFailed(
      'enrolment_other',
      'the other gateway enrolled for another grant or user than the invitation pins',
    )
  }
  if (isFederationUrl(federationUrl, host)) return
  throw new CommandFailed('enrolment_other', `the other gateway wants to be asked somewhere else than at ${host}`)
}

function wayOn({ code }: CommandFailed, begun: Begun): string {
  const isUnused = ['server_unreachable', 'server_untrusted', 'rate_limited', 'dependency_unavailable'].includes(code)
  const same = onceMore(begun, 'and the same URL or invitation')
  if (isUnused) return `${same}, or with another one if that token is used by now (410)`
  return `ask for another token there (federation grant token ID, with --re-enrol if the grant is active), and ${onceMore(begun, 'with it')}`
}

/** Brings the certificate to our gateway. It is kept until that was done: there is no other way to have it once more. */
async function complete(gateway: Gateway, id: string, enrolled: Enrolled): Promise<Shown> {
  const kept = keepCertificate(id, enrolled)
  try {
    const peer = await gateway.ask('peer:cert', { parameters: { id }, body: enrolled })
    dropCertificate(id)
    return shownPeer(peer)
  } catch (failure) {
    if (!(failure instanceof CommandFailed)) throw failure
    const { code, message, exitCode } = failure
    const wayOn =
      kept.file === undefined
        ? `the certificate could not be kept (${kept.why}): ${onceMore({ peerId: id }, 'with another token')}`
        : `the certificate is kept: ${onceMore({ peerId: id }, `--certificate ${kept.file}`)}`
    throw new CommandFailed(code, `${message}; ${wayOn}`, exitCode)
  }
}
