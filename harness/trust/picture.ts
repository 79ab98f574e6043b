import type { GraphNode, TrustGraph } from './graph.ts'

/** What every picture of a trust graph shows, before it is drawn. */
export interface Picture {
  title: string
  /** One for each trust domain. */
  groups: { name: string; boxes: Box[] }[]
  arrows: Arrow[]
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
  style: 'certificate' | 'token' | 'accepts'
}

/** Calls of a node to itself stand in its box; all certificates that one CA gives to one node are one arrow. */
export function pictureOf(graph: TrustGraph): Picture {
  const domains = [...new Set(graph.nodes.map(({ domain }) => domain))]
  const groups = domains.map((name) => ({
    name,
    boxes: graph.nodes
      .filter(({ domain }) => domain === name)
      .sort((a, b) => rank(graph, a) - rank(graph, b))
      .map((node) => ({ name: node.name, lines: [node.kinds.join(', '), ...ownCalls(graph, node)] })),
  }))
  return { title: `${graph.topology}: ${graph.summary}`, groups, arrows: arrowsOf(graph) }
}

/** CAs first, then auth servers, then the others. */
function rank({ issuers }: TrustGraph, { name }: GraphNode): number {
  const roles = issuers.filter(({ node }) => node === name).map(({ issues }) => issues)
  return roles.includes('certificate') ? 0 : roles.includes('bound-token') ? 1 : 2
}

function ownCalls({ edges }: TrustGraph, { name }: GraphNode): string[] {
  return edges
    .filter(({ kind, from, to }) => kind === 'accepts' && from === name && to === name)
    .map(({ credential, actions }) => `${actions.join(', ')} with ${credential}`)
}

function arrowsOf({ edges, credentials }: TrustGraph): Arrow[] {
  const kinds = new Map(credentials.map(({ name, kind }) => [name, kind]))
  const arrows = new Map<string, Arrow & { names: string[] }>()
  for (const { kind, from, to, credential, actions } of edges) {
    if (from === to) continue
    const style = kind === 'accepts' ? 'accepts' : kinds.get(credential) === 'certificate' ? 'certificate' : 'token'
    const key = `${style} ${from} ${to}`
    const arrow = arrows.get(key) ?? { from, to, label: '', style, names: [] }
    arrow.names.push(kind === 'accepts' ? `${actions.join(', ')} with ${credential}` : credential)
    arrow.label = arrow.names.join(', ')
    arrows.set(key, arrow)
  }
  return [...arrows.values()].map(({ from, to, label, style }) => ({ from, to, label, style }))
}
