import type { GraphEdge, GraphNode, TrustGraph } from './graph.ts'

/** What every picture of a trust graph shows, before it is drawn. */
export interface GraphPicture {
  title: string
  /** One for each trust domain. */
  groups: { name: string; boxes: Box[] }[]
  arrows: Arrow[]
  /** What each style of arrow means. */
  legend: { style: Arrow['style']; text: string }[]
}

export interface Box {
  name: string
  /** Further lines below the name. */
  lines: string[]
}

export interface Arrow {
  from: string
  to: string
  label: string
  style: 'dotted' | 'thin' | 'thick'
}

/** Calls of a node to itself stand in its box; all certificates that one CA gives to one node are one arrow. */
export function pictureOf(graph: TrustGraph): GraphPicture {
  const domains = [...new Set(graph.nodes.map(({ domain }) => domain))]
  const groups = domains.map((name) => ({
    name,
    boxes: graph.nodes
      .filter(({ domain }) => domain === name)
      .sort((a, b) => rank(graph, a) - rank(graph, b))
      .map((node) => ({ name: node.name, lines: linesOf(graph, node) })),
  }))
  return { title: `${graph.topology}: ${graph.summary}`, groups, arrows: arrowsOf(graph), legend: legendOf(graph) }
}

function linesOf(graph: TrustGraph, node: GraphNode): string[] {
  const networks = node.networks === undefined ? [] : [`in ${node.networks.join(', ')}`]
  return [node.kinds.join(', '), ...networks, ...ownCalls(graph, node)]
}

/** Issuers first, in the order of what they issue. */
function rank({ issuers, kinds }: TrustGraph, { name }: GraphNode): number {
  const first = kinds.findIndex((kind) => issuers.some(({ node, issues }) => node === name && issues === kind.name))
  return first < 0 ? kinds.length : first
}

function legendOf({ kinds, issuers }: TrustGraph): GraphPicture['legend'] {
  const issued = kinds.filter(({ name }) => issuers.some(({ issues }) => issues === name))
  const accepted = { style: 'thick' as const, text: 'accepted, from caller to target' }
  return [...issued.map(({ arrow: { style, legend } }) => ({ style, text: legend })), accepted]
}

function ownCalls({ edges }: TrustGraph, { name }: GraphNode): string[] {
  return edges.filter(({ kind, from, to }) => kind === 'accepts' && from === name && to === name).map(edgeText)
}

function edgeText({ kind, credential, actions }: GraphEdge): string {
  return kind === 'accepts' ? `${actions.join(', ')} with ${credential}` : credential
}

function arrowsOf({ edges, credentials, kinds }: TrustGraph): Arrow[] {
  const styles = new Map(kinds.map(({ name, arrow }) => [name, arrow.style]))
  const issued = new Map(credentials.map(({ name, kind }) => [name, styles.get(kind) ?? 'thin']))
  const arrows = new Map<string, Arrow>()
  for (const edge of edges) {
    const { kind, from, to, credential } = edge
    if (from === to) continue
    const style = kind === 'accepts' ? 'thick' : issued.get(credential)!
    const key = `${style} ${from} ${to}`
    const known = arrows.get(key)
    const label = known === undefined ? edgeText(edge) : `${known.label}, ${edgeText(edge)}`
    arrows.set(key, { from, to, label, style })
  }
  return [...arrows.values()]
}
