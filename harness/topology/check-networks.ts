import { type Compilation, isDeclared, own } from './compilation.ts'
import {
  addressNamesIn,
  callNetwork,
  listenerAt,
  networkOf,
  networksOf,
  type PlacedAddressName,
  sharedNetwork,
} from './networks.ts'
import type { PlanNode, Step } from './plan.ts'
import type { NodeDeclaration } from './schema.ts'

type Path = readonly PropertyKey[]

/** Reports what networks, nodes and units say of each other that does not fit together. */
export function checkNetworks(compilation: Compilation): void {
  const { topology, names, mistakes, complete } = compilation
  const known = [...names.networks]
  for (const [name, node] of Object.entries(topology.nodes)) {
    const path = ['nodes', name, 'networks']
    if (node.networks === undefined && known.length > 0) {
      const wayOut = `name those that it is in, its home first: there is ${known.join(', ')}`
      mistakes.add(path, 'is missing: the topology declares networks', wayOut)
    }
    for (const [index, network] of (node.networks ?? []).entries()) {
      const isKnown = isDeclared(compilation, 'networks', network, [...path, index])
      const isAgain = node.networks?.indexOf(network) !== index
      if (isKnown && isAgain) mistakes.add([...path, index], `names "${network}" again`, 'remove it')
    }
    for (const [unit, { network }] of Object.entries(node.units)) {
      if (network !== undefined) checkPlace(compilation, node, ['nodes', name, 'units', unit, 'network'], network)
    }
  }
  // Nodes with other mistakes are not among them, and may be in it.
  const used = new Set(Object.values(topology.nodes).flatMap(({ networks = [] }) => networks))
  for (const network of known.filter((one) => complete && !used.has(one))) {
    mistakes.add(['networks', network], 'no node is in this network', 'name it under networks of a node, or remove it')
  }
}

function checkPlace(compilation: Compilation, { networks }: NodeDeclaration, path: Path, network: string): void {
  const isKnown = isDeclared(compilation, 'networks', network, path)
  // A node that says nothing of its networks is told so.
  if (!isKnown || networks === undefined || networks.includes(network)) return
  const wayOut = `name one of ${networks.join(', ')}, or add it to the networks of the node`
  compilation.mistakes.add(path, `its node is not in network "${network}"`, wayOut)
}

interface Look {
  from: string
  to: string
  /** What it wants there, where that is known. */
  listener?: { network?: string | undefined } | undefined
}

/** Reports a program that looks for a node by its name, and does not find it, or finds it where the listener is not. */
export function demandFound(compilation: Compilation, path: Path, { from, to, listener }: Look): void {
  const [here, there] = placed(compilation, from, to)
  if (here === undefined || there === undefined) return
  const found = sharedNetwork(here, there)
  const where = listener && networkOf(there, listener)
  if (found === undefined) tellApart(compilation, path, { from, to })
  // A unit that listens where its node is not is told so.
  else if (where !== undefined && where !== found && networksOf(there).includes(where)) {
    const wayOut = `let it listen in "${found}", or "${from}" name "${where}" before "${found}"`
    const message = `"${from}" finds "${to}" in network "${found}", and it listens in "${where}"`
    compilation.mistakes.add(path, message, wayOut)
  }
}

/** Reports a caller that is in no network with what it calls, whatever names lead to. */
export function demandReach(compilation: Compilation, path: Path, { from, to, listener }: Look): void {
  const [here, there] = placed(compilation, from, to)
  if (here === undefined || there === undefined || callNetwork(here, there, listener) !== undefined) return
  const where = listener && networkOf(there, listener)
  if (sharedNetwork(here, there) === undefined) tellApart(compilation, path, { from, to })
  else if (where !== undefined && networksOf(there).includes(where)) {
    const wayOut = `add it to the networks of "${from}", or let it listen in one of ${networksOf(here).join(', ')}`
    compilation.mistakes.add(path, `"${to}" listens in network "${where}", and "${from}" is not in that`, wayOut)
  }
}

function tellApart(compilation: Compilation, path: Path, { from, to }: Look): void {
  const [mine, theirs] = placed(compilation, from, to).map((node) => networksOf(node!).join(', '))
  const wayOut = `put them in one: "${from}" is in ${mine}, "${to}" in ${theirs}`
  compilation.mistakes.add(path, `"${from}" shares no network with "${to}"`, wayOut)
}

/** Nodes that say where they are, in networks that are declared: of others that is told, and nothing of what follows from it. */
function placed({ topology, names }: Compilation, ...nodes: string[]): (NodeDeclaration | undefined)[] {
  return nodes.map((name) => {
    const node = own(topology.nodes, name)
    const isPlaced = node?.networks?.every((one) => names.networks.has(one)) ?? names.networks.size === 0
    return isPlaced ? node : undefined
  })
}

/** Reports units that call nodes which they do not reach, or name addresses that nobody has, or that they do not find. */
export function checkReach(compilation: Compilation, nodes: Readonly<Record<string, PlanNode>>): void {
  for (const { name: node, units } of Object.values(nodes)) {
    for (const unit of units) {
      // What hands a credential over has its name.
      const isCredential = own(compilation.topology.credentials, unit.name) !== undefined
      const path = isCredential ? ['credentials', unit.name] : ['nodes', node, 'units', unit.name]
      for (const { network } of unit.service?.listeners ?? []) {
        const [here] = network === unit.network ? [] : placed(compilation, node)
        if (here !== undefined && network !== undefined) checkPlace(compilation, here, path, network)
      }
      for (const { from = node, url } of unit.steps.flatMap(callsIn)) {
        const to = Object.values(nodes).find(({ host }) => URL.canParse(url) && new URL(url).hostname === host)
        if (to) demandReach(compilation, path, { from, to: to.name, listener: listenerAt(to.units, url) })
      }
      for (const named of addressNamesIn(JSON.stringify(unit)))
        checkAddress(compilation, path, { from: node, ...named })
    }
  }
}

/** Calls that a step makes over the network, with the node that makes them where that is not its own. */
function callsIn(step: Step): { from?: string; url: string }[] {
  if ('parallel' in step) return step.parallel.flat().flatMap(callsIn)
  if ('enrol' in step) return [{ url: step.enrol.url }]
  if ('call' in step) return [{ url: step.call.url }]
  if ('fetch' in step) return [{ url: step.fetch.url }]
  if (!('receive' in step) || !('mint' in step.receive.source)) return []
  return [{ from: step.receive.from, url: step.receive.source.mint.url }]
}

function checkAddress(
  compilation: Compilation,
  path: Path,
  { from, to, network, placeholder }: PlacedAddressName & { from: string },
): void {
  const [there] = placed(compilation, to ?? from)
  if (there === undefined) return
  if (network === undefined) {
    if (to !== undefined) demandFound(compilation, path, { from, to })
  } else if (!networksOf(there).includes(network)) {
    const message = `${placeholder} stands for nothing: "${to ?? from}" is not in network "${network}"`
    compilation.mistakes.add(path, message, `name one of ${networksOf(there).join(', ')}`)
  }
}
