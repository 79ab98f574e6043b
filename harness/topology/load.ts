import { readFile, stat } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { HoldfastError } from '../errors.ts'
import { isTopologyDefinition } from './define.ts'
import type { ServiceKind } from './kind.ts'
import { LoadedTopology } from './loaded-topology.ts'
import { packageFile } from './package-file.ts'
import { type PackedTopology, unpack } from './packed.ts'
import { type ParameterDeclarations, type ParameterValues, readParameters } from './parameters.ts'

export interface LoadOptions {
  /** Parameters as the command line gives them. */
  set?: Readonly<Record<string, string>>
  /** Folder that paths are relative to. Default: the working directory. */
  cwd?: string
}

/** The file of a topology cannot be read. */
export class TopologyUnreadable extends HoldfastError {
  constructor(message: string, options?: ErrorOptions) {
    super('HOLDFAST_TOPOLOGY_UNREADABLE', message, options)
  }
}

/** A name or path leads to no topology: the caller meant another one. */
export class TopologyUnknown extends HoldfastError {
  constructor(message: string) {
    super('HOLDFAST_TOPOLOGY_UNKNOWN', message)
  }
}

/**
 * Reads a topology: a shipped one by its name, or a `.nix`, `.json`, `.ts`, `.mts`, `.js` or `.mjs` file by its path.
 *
 * @throws TopologyUnknown, TopologyUnreadable, ParameterInvalid, NixMissing, NixFailed
 */
export async function loadTopology(source: string, { set = {}, cwd = '.' }: LoadOptions = {}): Promise<LoadedTopology> {
  const load = loaders[extname(source)]
  const file = load && resolve(cwd, source)
  if (file !== undefined && !(await stat(file).catch(() => undefined))?.isFile()) {
    throw new TopologyUnknown(
      `there is no file ${file}; name a file that is there, or a shipped topology (npx holdfast list)`,
    )
  }
  const { declarations = {}, kinds, instance } = await (file === undefined ? findShipped(source) : load!(file, set))
  const parameters = readParameters(source, declarations, set)
  const folder = file && dirname(file)
  return new LoadedTopology(source, instance(parameters), parameters, { kinds, folder })
}

/** The shipped topologies, by name. */
export async function shippedTopologies(): Promise<Readonly<Record<string, PackedTopology>>> {
  return JSON.parse(await readFile(await packageFile('nix/topologies/topologies.json'), 'utf8'))
}

/** What was found, before its parameters are read. */
interface Found {
  declarations?: ParameterDeclarations
  kinds?: readonly ServiceKind[]
  instance(parameters: ParameterValues): unknown
}

const loaders: Readonly<Record<string, (file: string, set: Readonly<Record<string, string>>) => Promise<Found>>> = {
  '.nix': loadNix,
  '.json': loadJson,
  '.ts': loadModule,
  '.mts': loadModule,
  '.js': loadModule,
  '.mjs': loadModule,
}

async function findShipped(name: string): Promise<Found> {
  const shipped = await shippedTopologies()
  const packed = Object.hasOwn(shipped, name) ? shipped[name] : undefined
  if (packed === undefined) {
    const known = Object.keys(shipped).join(', ')
    throw new TopologyUnknown(
      `there is no topology "${name}"; shipped ones are ${known}, and one of your own is given by the path of its .nix, .json or .ts file`,
    )
  }
  return { declarations: packed.parameters, instance: (parameters) => unpack(packed, parameters) }
}

async function loadNix(file: string, set: Readonly<Record<string, string>>): Promise<Found> {
  // Most runs evaluate no Nix, and start sooner without the module.
  const { evaluateTopologyFile } = await import('./nix.ts')
  const { value, parameters: declarations } = await evaluateTopologyFile(file, set)
  return { declarations, instance: () => value }
}

async function loadJson(file: string): Promise<Found> {
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw new TopologyUnreadable(`${file} cannot be read; check its permissions`, { cause })
  })
  try {
    const value: unknown = JSON.parse(text)
    return { instance: () => value }
  } catch (cause) {
    throw new TopologyUnreadable(`${file} is no JSON; correct it at the place that follows`, { cause })
  }
}

async function loadModule(file: string): Promise<Found> {
  const { default: exported } = (await import(pathToFileURL(file).href).catch((cause) => {
    const wayOut = isReadAsCommonJs(cause)
      ? 'its package is read as CommonJS: add "type": "module" to package.json, or name the file .mts'
      : 'run it with Node by itself to see more'
    throw new TopologyUnreadable(`${file} cannot be loaded; ${wayOut}`, { cause })
  })) as { default?: unknown }
  if (exported === undefined) {
    throw new TopologyUnreadable(`${file} has no default export; write "export default defineTopology({ … })"`)
  }
  if (!isTopologyDefinition(exported)) return { instance: () => exported }
  return {
    declarations: exported.parameters,
    kinds: exported.kinds,
    instance(parameters) {
      try {
        return exported.instance(parameters)
      } catch (cause) {
        throw new TopologyUnreadable(`${file}: its function of the parameters failed`, { cause })
      }
    },
  }
}

/** `npm init` writes `"type": "commonjs"`, and Node then names the first word that belongs to a module. */
function isReadAsCommonJs(cause: unknown): boolean {
  if (!(cause instanceof Error) || cause.name !== 'SyntaxError') return false
  return /outside a module|Unexpected token 'export'/.test(cause.message)
}
