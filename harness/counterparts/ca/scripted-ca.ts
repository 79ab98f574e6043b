import type { SigningAuthority } from '../../pki/authority.ts'
import { type CrlOptions, newCrl } from '../../pki/crl.ts'
import { type Honest, type ScriptedRequest, ScriptedServer, type ScriptedServerOptions } from '../scripted-server.ts'
import { type Defect, defects, draftOf, type ExtensionClaims, federationClaims, signed } from './issuing.ts'

export interface ScriptedCaOptions extends ScriptedServerOptions {
  /** What it signs with: that of a real CA, whose place it takes, or one that nobody trusts. */
  authority: SigningAuthority
  /** Which claims of a one-time token become extensions, by OID. Default: those of federation. */
  claims?: ExtensionClaims
}

/** What a CA is asked for; `other` is any other path. */
export type CaEndpoint = 'sign' | 'revoke' | 'crl' | 'health' | 'other'
export type CaRequest = ScriptedRequest<CaEndpoint>

/** Listens as a CA that believes every token and writes down everything. */
export async function listenAsCa(options: ScriptedCaOptions): Promise<ScriptedCa> {
  const ca = new ScriptedCa(options)
  await ca.listen()
  return ca
}

/**
 * A CA under the scenario's control, with the API of step-ca. It begins honest: it signs the key of the CSR under the names and with the
 * extensions of the token, revokes, and publishes its CRL. `spoil` makes it sign with one defect, scripts answer otherwise, from the next
 * request on. It looks at no signature: whoever asks is heard.
 */
export class ScriptedCa extends ScriptedServer<CaEndpoint> {
  /** Serial numbers of what it signed, oldest first, in hexadecimal. */
  readonly issued: string[] = []
  /** Serial numbers that it was asked to revoke, oldest first, in decimal as they were told. */
  readonly revoked: string[] = []
  readonly #options: ScriptedCaOptions
  #defect: Defect | undefined
  #crl: Partial<CrlOptions> = {}

  constructor(options: ScriptedCaOptions) {
    super(options)
    this.#options = options
  }

  /** Signs with this defect from now on; without one, honestly again. */
  spoil(defect?: Defect): void {
    this.#defect = defect
  }

  /** What is otherwise about its CRL from now on: its end, its number, who signs it. */
  spoilCrl(changes: Partial<CrlOptions> = {}): void {
    this.#crl = changes
  }

  override async reset(): Promise<void> {
    await super.reset()
    this.spoil()
    this.spoilCrl()
    this.issued.length = 0
    this.revoked.length = 0
  }

  protected override endpointOf(path: string): CaEndpoint {
    return endpoints[path.split('?')[0]!] ?? 'other'
  }

  protected override async honest(request: CaRequest): Promise<Honest> {
    const { endpoint, path, body } = request
    if (endpoint === 'health') return { json: { status: 'ok' } }
    if (endpoint === 'sign') return this.#sign(membersOf(body))
    if (endpoint === 'revoke') return this.#revoke(membersOf(body))
    if (endpoint === 'crl') return this.#publish(path)
    return undefined
  }

  async #sign(request: Readonly<Record<string, string>>): Promise<Honest> {
    const { authority, claims = federationClaims } = this.#options
    const draft = await draftOf(request, { authority, claims, crlUrl: `${this.url}/1.0/crl` })
    if (draft === undefined) return refused(400, 'The request could not be completed: malformed or missing data.')
    const spoiled = this.#defect === undefined ? draft : await defects[this.#defect](draft)
    const { serial, json } = await signed(spoiled)
    this.issued.push(serial)
    // step-ca answers 201 and nothing else.
    return { answer: { status: 201, body: json } }
  }

  #revoke({ serial }: Readonly<Record<string, string>>): Honest {
    if (serial === undefined) return refused(400, 'missing serial')
    if (this.revoked.includes(serial))
      return refused(400, `certificate with serial number '${serial}' is already revoked`)
    this.revoked.push(serial)
    return { json: { status: 'ok' } }
  }

  async #publish(path: string): Promise<Honest> {
    const { authority } = this.#options
    const revoked = this.revoked.map((serial) => evenHex(BigInt(serial)))
    const { der, pem } = await newCrl({ authority, revoked, url: `${this.url}/1.0/crl`, ...this.#crl })
    if (path.includes('?pem')) return { answer: { type: 'application/x-pem-file', body: pem } }
    return { answer: { type: 'application/pkix-crl', body: der } }
  }
}

const endpoints: Readonly<Record<string, CaEndpoint>> = {
  '/1.0/sign': 'sign',
  '/sign': 'sign',
  '/1.0/revoke': 'revoke',
  '/revoke': 'revoke',
  '/1.0/crl': 'crl',
  '/crl': 'crl',
  '/health': 'health',
}

function refused(status: number, message: string): Honest {
  return { answer: { status, body: { status, message } } }
}

/** Texts among the members of a JSON object; nothing where it is none. */
function membersOf(body: string): Readonly<Record<string, string>> {
  try {
    const value = JSON.parse(body) as Record<string, unknown>
    return Object.fromEntries(Object.entries(value).filter(([, one]) => typeof one === 'string')) as Record<
      string,
      string
    >
  } catch {
    return {}
  }
}

function evenHex(serial: bigint): string {
  const digits = serial.toString(16)
  return digits.length % 2 === 0 ? digits : `0${digits}`
}
