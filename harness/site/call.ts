import { kindsTaken, type LiveKinds } from '../credentials/live-kind.ts'
import type { PartName, Presented } from '../credentials/parts.ts'
import { HoldfastError } from '../errors.ts'
import { thumbprintS256 } from '../pki/certificate.ts'
import type { Call } from '../protocols/protocol.ts'
import type { AnyProtocol, Options, Protocols } from '../protocols/spoken.ts'
import type { Spoken } from '../topology/kind.ts'
import type { Credential } from './credential.ts'
import type { CallShape } from './ledger.ts'
import type { Target } from './targets.ts'
import { summaryOf } from './verdict.ts'

/** What a call does otherwise than its action says. */
export interface CallOptions extends Options {
  /** Another listener of the same unit. */
  listener?: string
  /** The node through which it goes: one that hands calls on to the target. */
  through?: string
  /** Parts of the credential that do not reach the target this way: it has nothing to prove of them. */
  lost?: readonly string[]
  /** Goes first over the same connection, and must be accepted; the verdict is on the call after it. */
  first?: Credential
  /** Whoever makes the call has its positive control already: none is made. */
  controlled?: true
  /** How long the far end's record is waited for. Default 6 000, times the slowness of the site. */
  waitMs?: number
  timeoutMs?: number
}

export interface CallParts {
  readonly protocols: Protocols
  readonly live: LiveKinds
}

const ofEveryCall = [
  'listener',
  'through',
  'lost',
  'first',
  'controlled',
  'waitMs',
  'timeoutMs',
] satisfies (keyof CallOptions)[]

/** A call would be made without something that it was to do otherwise, and prove nothing. Code `HOLDFAST_OPTION_UNKNOWN`. */
class OptionUnknown extends HoldfastError {
  constructor(action: string, { name, options }: AnyProtocol, unknown: readonly string[]) {
    super(
      'HOLDFAST_OPTION_UNKNOWN',
      `${action} is spoken in ${name}, where a call has no ${unknown.join(', no ')}; it has ${[...options, ...ofEveryCall].join(', ')}`,
    )
  }
}

/** The protocol that an action or an observation names, and what is said in it: the plan was held to those there are. */
export function spokenIn(spoken: Spoken, protocols: Protocols): { protocol: AnyProtocol; said: unknown } {
  const [name = '', said] = Object.entries(spoken)[0] ?? []
  const protocol = protocols.get(name)
  if (protocol === undefined) throw new TypeError(`no protocol is called "${name}"; there is ${[...protocols.keys()]}`)
  return { protocol, said }
}

/** A call that is thought out, and not made yet. */
export async function shaped(
  call: { from: string; target: Target; action: string; credential: Credential; options: CallOptions },
  { protocols, live: all }: CallParts,
) {
  const { from, target, action, credential, options } = call
  const live = kindsTaken(all, target.verification)
  const { protocol, said } = spokenIn(target.action.request, protocols)
  const able: readonly string[] = [...protocol.options, ...ofEveryCall]
  const given = Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : name))
  const unknown = given.filter((name) => !able.includes(name))
  if (unknown.length > 0) throw new OptionUnknown(action, protocol, unknown)
  const presented = await credential.presented()
  const summary = summaryOf(credential.label, presented, live)
  const before = await options.first?.presented()
  // Where what TLS carries authorises alone, nothing else is sent.
  const byTls = [...live.values()].flatMap(({ part, inHandshake }) => (inHandshake ? [[part, presented[part]]] : []))
  const sent: Presented = target.action.carrier === 'none' ? Object.fromEntries(byTls) : presented
  const prepared = protocol.prepare({ request: said, presented: sent, before, options, asProxy: asProxy(target) })
  const shape: CallShape = {
    from,
    to: target.node,
    action,
    parts: Object.fromEntries(Object.entries(presented).map(([part, value]) => [part, textOf(value)])),
    bound: [...live.values()].every((kind) => kind.belongs?.(summary) !== false),
    listener: target.listener.name,
    elements: { ...prepared.elements, through: options.through ?? '' },
  }
  return { ...call, protocol, live, presented, summary, prepared, shape }
}

/** Who comes past the proxy of a target is heard only if he does what that would. */
function asProxy({ listener: { behind, certificateHeader, protocol } }: Target): Call<unknown, Options>['asProxy'] {
  if (behind === undefined || certificateHeader === undefined) return undefined
  return { certificateHeader, isPlain: protocol === 'http' }
}

function textOf(part: Presented[PartName]): string | undefined {
  if (typeof part !== 'object') return part
  // A certificate is the same one in whatever PEM it stands.
  return 'certPem' in part ? thumbprintS256(part.certPem) : JSON.stringify(part)
}
