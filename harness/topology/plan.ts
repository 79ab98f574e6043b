import type { CertificateHeader } from '../pki/certificate-header.ts'
import type { GivenFile, GivenKey } from '../pki/given.ts'
import type { GivenAuthority } from '../pki/given-authority.ts'
import type { CredentialKindName, PlanCredentialOf } from './credential-types.ts'
import type { Insider } from './insider.ts'
import type { Action, Observation } from './kind.ts'
import type { WeakerProof } from './proof.ts'
import type { NetworkDeclaration, TrustDomainDeclaration } from './schema.ts'
import type { ActionVerification } from './verification.ts'

/**
 * The plan: a topology that was checked and compiled. It is plain JSON, and it is all that a node agent knows.
 *
 * A `Template` is text in which the agent fills, on its node and just before use:
 * - `@{dir}`           the node's own directory
 * - `@{unit}`          the directory of the unit at hand (`<dir>/units/<unit>`)
 * - `@{address}`       the node's own address, in the network of the unit
 * - `@{address/NETWORK}` the node's own address in another network
 * - `@{loopback}`      an address that this node alone reaches: its own one where all nodes share the loopback of one machine
 * - `@{address:NODE}`  another node's address, in the first network of this node that both are in
 * - `@{address:NODE/NETWORK}` another node's address in that network
 * - `@{hosts}`         path of the run's hosts, in the form of /etc/hosts
 * - `@{tool:NAME}`    path of a real program that a program of the unit starts itself
 * - `@{content:FILE}`  the content of a file of the unit, or at a template such as `@{dir}/x`, without the end of its last line: a
 *   secret of 16 characters at least, without blanks, in the environment of a command, as everybody sees arguments, and it is written
 *   down nowhere; or any text, in the `text` of a file that nobody else can read
 * Nothing else is replaced. Names resolve on the node, so URLs hold host names, and only `listen` settings hold addresses.
 */
export type Template = string

/** A node and one of its units, as `node/unit`. */
export type UnitRef = string

export interface Plan {
  /** Version of this format; an agent refuses any other. */
  format: 2
  topology: string
  summary: string
  /** The parameters that this plan was compiled with. */
  parameters: Record<string, string | number | boolean>
  trustDomains: Record<string, PlanTrustDomain>
  /** Absent where the topology declares none: all nodes are in one then, `default`. */
  networks?: Record<string, NetworkDeclaration> | undefined
  nodes: Record<string, PlanNode>
  credentials: Record<string, PlanCredential>
  accepts: PlanAccept[]
}

export interface PlanTrustDomain extends TrustDomainDeclaration {
  /** The issuer's URL: the `iss` of its tokens. */
  issuerUrl?: string
}

export interface PlanNode {
  name: string
  host: string
  domain: string
  /** Those that it is in, the first of which is its home. Absent where the topology declares none: all nodes are in one then. */
  networks?: string[] | undefined
  /** In declaration order; the agent starts them by `after`, as parallel as that allows. */
  units: PlanUnit[]
}

export interface PlanUnit {
  name: string
  /** The service kind, or the kind of oneshot: `anchor`, `enrol`, `register`, `prove`, `mint`, `copy`. */
  kind: string
  /** One line for people: what this unit does. */
  summary: string
  after: UnitRef[]
  /**
   * Operating-system user that its programs run as, where the backend can (`ownUsers`). Its folder (its HOME, 0700) and what the
   * agent writes for it belong to that user; what other units receive for it, they must hand to it by owner or group.
   */
  user?: string
  /** The same where the agent is root and `user` is absent: its programs refuse to be root. */
  userUnderRoot?: string
  /** Its programs leave shared memory of System V behind when they are killed: they get that in a namespace of their own, where the machine has these. */
  ownIpc?: true
  /** The network of its node in which it listens: there is its `@{address}`. Default: the node's home. */
  network?: string
  /** A oneshot that is not started with its node: `node.run` runs it, each time anew. No unit can wait for it. */
  start?: 'on demand'
  /** A oneshot that runs once more after each further start of a service of its node that it comes after. */
  again?: 'each start'
  /** Rendered before the unit starts: folders 0700, files 0600 unless `mode` says otherwise. */
  files: PlanFile[]
  /** A oneshot runs its steps to their end, in order. A service runs its steps first, then `service`. */
  steps: Step[]
  service?: Service
  /** JSONL file of decision records that the programs of a oneshot write, if they do. */
  decisionLog?: Template
  /** How it judges the callers of its actions, by action. Without it, nothing can be derived about its refusals. */
  verification?: Record<string, ActionVerification>
  /** What a caller can do at it, by name (`peering:connect`, `node:read`). */
  actions?: Readonly<Record<string, Action>>
  /** A read-only picture of its state, to prove that a refused call changed nothing. */
  observe?: Observation
  /** Ids of the guards of its program, each with the reasons that it can give: what scenarios should provoke. The reference services tell theirs by themselves. */
  guards?: Readonly<Record<string, readonly string[]>>
  /** How its decisions are seen, where it writes no decision records. */
  proof?: WeakerProof
  /** Which program it is, where units of its kind run different ones: what holds at one of them holds at those of the same text alone. */
  program?: string
  /** What it offers beside its actions, so that attacks on it can be tried (`dialer`, `token-endpoint`, `start`). */
  surfaces?: readonly string[]
  /** What somebody inside this unit has, or can have done there. */
  insider?: Insider
  /** Where it hands calls on: who calls that listener comes to another node. Each of its actions can be tried this way, too. */
  hop?: Hop
  /** Programs that its machine must have, and nobody builds: where one is missing, its tests did not run. */
  machine?: readonly string[]
  /** Files of the user's that it reads where they lie, or that are read for it: looked at before anything starts. */
  given?: Given
}

export interface Given {
  /** The CA whose key it signs with. */
  authority?: GivenAuthority
  /** Whom it is believed to serve below. */
  roots?: GivenFile
  /** What it serves with. */
  identity?: { cert: GivenFile } & GivenKey
  /** Whose one-time tokens are signed for it. Without `key`, the CA has it, encrypted with the password. */
  provisioner?: { name: string } & Partial<GivenKey>
}

/** A listener that hands calls on to one of another node. */
export interface Hop {
  listener: string
  to: { node: string; listener: string }
  /** Parts of a credential that end there: what the handshake carries, where TLS does. */
  ends?: readonly string[]
  /** Header fields of the caller that do not come through; or none does. */
  takes?: readonly string[] | 'all'
  /**
   * How it is told to hand on one that does not: in which file, at which place in it, by which line. `{field}` stands for the field, `{variable}`
   * for the same in lower case with underscores.
   */
  mend: { file: Template; place: string; line: string }
}

export interface PlanFile {
  path: Template
  mode?: string
  /** Exactly one of the three. `json` is rendered with two-space indentation; its strings are templates. */
  text?: Template
  json?: unknown
  /** A file of the user's, in which each `@{name}` stands for one of `values`. */
  from?: { path: Template; values: Record<string, Template> }
}

export interface Service {
  /** Absent: it is up already and not ours to end; it is only looked at. */
  command?: Command
  ready: Probe
  listeners: Listener[]
  /** JSONL file of decision records that this service writes, if it does. */
  decisionLog?: Template
  /** File in which it says what it does, where it does not print that: its end is told, too, where the service does not get ready. */
  logFile?: Template
  /** How long the unit may take to be ready, in ms. Default 45 000: on a starved machine a program is slow, and one that ended is told at once. */
  readyWithinMs?: number
  /** What stops it. Default SIGTERM. */
  stopSignal?: 'SIGINT' | 'SIGQUIT'
  /** How long it may take to stop after that before it is killed, in ms. Default 5 000. */
  stopWithinMs?: number
}

export interface Listener {
  name: string
  port: number
  /** `tcp`: neither HTTP nor a WebSocket, be it over TLS. */
  protocol: 'https' | 'http' | 'wss' | 'tcp'
  /** Whether a client certificate is refused, asked for, or demanded at TLS. */
  clientCertificate: 'none' | 'requested' | 'required'
  /** The network of its node in which it is. Absent: the node's home. */
  network?: string
  /** Where it is, if not at the address of its node: it was there before the run. */
  address?: string
  /** The roots that its certificate leads to: a file of this machine, or `system` for those that it trusts. Default: that of its trust domain. */
  ca?: string
  /** In which header whoever ends TLS hands the certificate of a caller on to the program. */
  certificateHeader?: CertificateHeader
  /** The listener through which everybody must come: this one is for the proxy that has it, and hears nobody else. */
  behind?: string
}

/** Whether calls come to it without TLS. Past a proxy it is a call in bytes, which says by itself whether there is TLS. */
export function hearsPlainly({ protocol, behind }: Partial<Pick<Listener, 'protocol' | 'behind'>>): boolean {
  return protocol === 'http' && behind === undefined
}

export interface Command {
  program: Program
  args: Template[]
  env?: Record<string, Template>
  /** Its arguments may name contents, too, which everybody sees who lists processes: for what is to be tried so. */
  showsContents?: true
  /** Working folder. Default: that of the unit. */
  cwd?: Template
}

/**
 * One of the real programs that the toolchain resolves (`step-ca`, `step`, `nats-server`, …). `dials`: it looks up hosts of the plan,
 * which takes a build of ours where nodes share the resolver of this machine.
 */
export interface ToolProgram {
  tool: string
  dials?: true
}

/**
 * `service`: a reference node under `services/`. `starts`: real programs that it runs itself, and finds at `@{tool:NAME}`. `path`: any executable, by its path or as PATH finds it; `node` is the Node that
 * runs the harness, with the host names of the plan. `script`: a JavaScript or TypeScript file run by Node.
 */
export type Program =
  | ToolProgram
  | { service: string; starts?: readonly ToolProgram[] }
  | { path: Template }
  | { script: Template }

export type Probe =
  /** An HTTPS request that must answer one of `expect`; without that, anything. With `tls`, the chain and the host name are verified against `tls.ca`. */
  | { http: { url: string; tls?: TlsFiles; address?: string; expect?: number[]; minimumValiditySeconds?: number } }
  /**
   * A TCP connection that must open; `address`: elsewhere than at that of the unit. With `greeting`, these bytes (base64) are sent, and what
   * comes back must match `answer`, a regular expression over bytes read as Latin-1.
   */
  | { tcp: { port: number; address?: string; greeting?: string; answer?: string } }

/** Paths to PEM files on the node; `ca`: or `system`, for the roots that this machine trusts. */
export interface TlsFiles {
  ca: Template
  cert?: Template
  key?: Template
}

export interface HttpCall {
  method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  url: string
  /** `url` is that of an issuer, whose metadata names in this member where to call: `token_endpoint` (RFC 8414 section 2). */
  discover?: string
  tls: TlsFiles
  /** File of whoever calls with the token that goes along as a bearer's (RFC 6750 section 2.1). */
  bearer?: Template
  /** Its strings are templates. */
  json?: unknown
  /** In place of JSON: parameters of a form, as OAuth has them. */
  form?: Readonly<Record<string, string>>
  expect: number[]
}

export type Step =
  /** `setting`: where the user named the program, for whom a failure is told. */
  | { run: Command; setting?: string }
  | { call: HttpCall }
  | { receive: Receive }
  | { fetch: Fetch }
  /** A copy of a file of the node, or of the roots that this machine trusts (`system`), for somebody who needs it elsewhere. `forRun`: it is removed with the run, wherever it lies. */
  | { copy: { from: Template; to: { path: Template; mode: string; owner?: string | undefined }; forRun?: true } }
  | { enrol: Enrol }
  /** Makes a secret of so many random bytes (16 at least), as text (default `hex`), for the unit's user alone. One that is there stays. */
  | { secret: { path: Template; bytes: number; as?: 'hex' | 'base64url' } }
  /** A file that needs what an earlier step made. A JSON member whose whole value is `@{json:FILE}` becomes the content of that file of the unit; that of a certificate in PEM its key set, with the chain (RFC 7517 section 4.7). */
  | { write: PlanFile }
  /** Whenever files of this folder are others, `run` steps that come later in the unit run again: for as long as the node is there. */
  | { follow: { folder: Template } }
  /** Lanes that run side by side; each lane in order. */
  | { parallel: Step[][] }

/**
 * Hand-over `copy` and `mint`: the receiver asks the source node's agent, which serves only what the plan declares.
 * `file`: a file of the source node. `mint`: the source node makes `call` and answers the text at `member` of its JSON answer.
 * `files`, and `folder` (all files in it but those that begin with a dot): a set, which replaces the set before in one step. Its
 * `path` is a folder at the receiver, and has the owner, the group and `folderMode` (default 0700). `provisioner`: the private JWK that
 * signs its one-time tokens, which the source node decrypts where it is encrypted.
 */
export interface Receive {
  from: string
  source:
    | { file: Template }
    | { files: Template[] }
    | { folder: Template }
    | { mint: HttpCall; member: string; renew?: MintRenewal }
    | { provisioner: Enrol['provisioner'] }
  /** Files are handed over again whenever they are others at their source; `run` steps that follow in the unit then run again. */
  again?: 'changed'
  to: { path: Template; mode: string; owner?: string; group?: string; folderMode?: string }
}

/** Minted anew by the issuing node at `at` (a share of life, 0.8), and whenever the holder has proven a new certificate. */
export interface MintRenewal {
  lifetimeSeconds: number
  at: number
}

/** What an HTTPS server publishes, as a file of the node. Its certificate must lead to `ca`. */
export interface Fetch {
  url: string
  /** `url` is that of an issuer, whose metadata names in this member where the file is: `jwks_uri` (RFC 8414 section 2). */
  discover?: string
  ca: Template
  /** A key set: the public JWK in this file is added to it. */
  add?: Template
  to: { path: Template; mode: string }
}

/**
 * Hand-over `enrol`: the holder makes a P-256 key and a CSR, asks the CA node's agent for a one-time token that is bound to
 * that CSR (`cnf["x5rt#S256"]`), and has the CSR signed by the CA. Writes `key.pem`, `cert.pem` (leaf, then intermediates) to `dir`.
 */
export interface Enrol {
  credential: string
  /** The node of the CA. */
  ca: string
  /** `https://<host>:<port>` of the CA. */
  url: string
  /** The CA's root on this node. */
  anchor: Template
  subject: string
  sans: string[]
  lifetimeSeconds: number
  dir: Template
  /** Who must own both, if not the agent's user. */
  owner?: string
  /** What the CA's agent signs the one-time token with, and the password that it is encrypted with: read by that agent only. */
  provisioner: { name: string; keyFile: Template; passwordFile?: Template }
}

export type PlanCredential = PlanCredentialOf<CredentialKindName>

/** What every credential has, of whatever kind. */
export interface CredentialBase {
  name: string
  /** The issuing node. */
  issuer: string
  /** The nodes that hold it. */
  holders: string[]
  handover: 'copy' | 'enrol' | 'mint'
  /** Somebody knows its holder by this very one: another like it will not do. */
  kept?: true
  /** Absent: it ends with its topology. */
  lifetimeSeconds?: number
  /** Where it lies on each of its holders. */
  files: Record<string, Template>
}

export interface PlanAccept {
  target: string
  action: string
  credential: string
  /** The node that calls with it, where that is not its first holder. */
  by?: string
}
