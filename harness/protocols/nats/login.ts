import { fromSeed } from '@nats-io/nkeys'
import type { Presented } from '../../credentials/parts.ts'
import '../../credentials/nats-creds/ed25519.ts'

/** The members of a `CONNECT`. */
export type Login = Readonly<Record<string, unknown>>

/** What somebody who says otherwise in his `CONNECT` may say it with. */
export interface LoginMeans {
  /** What this connection has to sign. */
  readonly nonce: string
  /** By the key of whatever is presented; undefined without one. */
  sign(text: string): string | undefined
}

/** Says something else than what a client would: gets what that would be. */
export type ChangedLogin = (own: Login, means: LoginMeans) => Login

/** A client of today: a refusal of what it publishes is told at once, as is that nobody hears it. */
const client = {
  ...{ verbose: false, pedantic: false, tls_required: true, echo: true, headers: true, no_responders: true },
  ...{ name: 'caller', lang: 'holdfast', version: '1', protocol: 1 },
}

/** The login with what is presented: the JWT of a user with the server's nonce signed by his key, and a token as `auth_token`. */
export function loginOf({ creds, token }: Presented, nonce = '', change: ChangedLogin = (own) => own): Login {
  const sign = (text: string) => (creds?.seed ? signed(creds.seed, text) : undefined)
  const { jwt } = creds ?? {}
  const sig = sign(nonce)
  const own = { ...client, ...(jwt && { jwt }), ...(sig && { sig }), ...(token && { auth_token: token }) }
  return change(own, { nonce, sign })
}

/** As a login has it: base64url of the signature of the key that a seed stands for. */
export function signed(seed: string, text: string): string {
  const key = fromSeed(Buffer.from(seed))
  try {
    return Buffer.from(key.sign(Buffer.from(text))).toString('base64url')
  } finally {
    key.clear()
  }
}

export function loginLine(login: Login): string {
  return `CONNECT ${JSON.stringify(login)}\r\n`
}
