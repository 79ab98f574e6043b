import { compile, loadTopology, type Plan, type TopologyDeclaration, TopologyInvalid } from 'holdfast'

type Declared = Required<TopologyDeclaration>

/** The cluster as it is declared, with parameters, and with something else about it. */
export async function clusterWith(
  set: Readonly<Record<string, string>>,
  change: (topology: Declared) => void = () => {},
): Promise<TopologyDeclaration> {
  const topology = structuredClone((await loadTopology('bearer-cluster', { set })).value) as Declared
  change(topology)
  return topology
}

/** What is wrong with it, each with its place; empty where a plan comes of it. */
export async function mistakesOf(...declared: Parameters<typeof clusterWith>): Promise<string[]> {
  try {
    planned(await clusterWith(...declared))
    return []
  } catch (failure) {
    if (!(failure instanceof TopologyInvalid)) throw failure
    return failure.mistakes.map(({ path, message }) => `${path}: ${message}`)
  }
}

/** Checks it as whatever is launched is checked first. */
export function planned(topology: TopologyDeclaration): Plan {
  return compile(topology)
}
