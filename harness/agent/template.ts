import { HoldfastError } from '../errors.ts'
import { type AddressName, addressName } from '../topology/networks.ts'

/** What the placeholders of a template stand for on this node (see `Template` in the plan). */
export interface TemplateContext {
  dir: string
  /** Absent where no unit is at hand. */
  unitDir?: string
  address: string
  /** Path of the hosts file of the node. Absent where no program runs. */
  hostsFile?: string
  /** Addresses of the plan, as this node sees them: of a node (default: this one), in a network (default: where this node finds it). */
  addressOf?(named: AddressName): string | undefined
  /** Paths of the real programs of the run, by name. Absent where no program runs. */
  tools?: Readonly<Record<string, string>>
  /** By what stands after `content:`. Absent where no secret may stand. */
  contents?: ReadonlyMap<string, string>
}

/** The file of a content may be a template itself. */
const CONTENT = 'content:((?:@\\{[^{}]*\\}|[^{}])*)'
const PLACEHOLDER = new RegExp(`@\\{(${CONTENT}|[^}]*)\\}`, 'g')

/** The files whose contents a text names. */
export function contentsIn(text: string): string[] {
  return [...text.matchAll(new RegExp(`@\\{${CONTENT}\\}`, 'g'))].map(([, file]) => file as string)
}

/** Fills all placeholders of `text`. `place` names the file or setting for the error. */
export function fill(text: string, context: TemplateContext, place: string): string {
  return text.replaceAll(PLACEHOLDER, (placeholder, name: string) => {
    const value = lookUp(name, context)
    if (value !== undefined) return value
    const ofUnit = context.unitDir === undefined ? '' : ' @{unit},'
    throw new HoldfastError(
      'HOLDFAST_TEMPLATE_UNKNOWN',
      `${place}: ${placeholder} is not known; use @{dir},${ofUnit} @{address}, @{loopback}, @{hosts}, @{address:NODE} with a node of the plan (in a network of its own: @{address:NODE/NETWORK}), or @{tool:NAME} with a program that the unit starts`,
    )
  })
}

/** Fills every string of a JSON value. `file` answers `@{json:FILE}` where that is allowed. */
export function fillJson<T>(value: T, context: TemplateContext, place: string, file?: (name: string) => unknown): T {
  const filled = (one: unknown): unknown => {
    if (typeof one === 'string') {
      const [, included] = /^@\{json:([^}]+)\}$/.exec(one) ?? []
      return included !== undefined && file !== undefined ? file(included) : fill(one, context, place)
    }
    if (Array.isArray(one)) return one.map(filled)
    if (one === null || typeof one !== 'object') return one
    return Object.fromEntries(Object.entries(one).map(([key, entry]) => [key, filled(entry)]))
  }
  return filled(value) as T
}

function lookUp(name: string, context: TemplateContext): string | undefined {
  if (name === 'dir') return context.dir
  if (name === 'unit') return context.unitDir
  if (name === 'address') return context.address
  if (name === 'loopback') return context.address.startsWith('127.') ? context.address : '127.0.0.1'
  if (name === 'hosts') return context.hostsFile
  const address = addressName(name)
  if (address !== undefined) return context.addressOf?.(address)
  const [, sort, key = ''] = /^(content|tool):(.*)$/s.exec(name) ?? []
  if (sort === 'content') return context.contents?.get(key)
  return sort === 'tool' && Object.hasOwn(context.tools ?? {}, key) ? context.tools?.[key] : undefined
}
