import { describe, expect, test } from 'vitest'
import { compile, trustGraph } from '../shipped.ts'
import { apart } from '../topology/fixtures/apart.ts'
import { loadTopology, shippedTopologies } from '../topology/load.ts'
import { mermaidPicture } from './mermaid.ts'
import { svgPicture } from './svg.ts'

const names = Object.keys(await shippedTopologies())

async function graphOf(name: string, set: Record<string, string> = {}) {
  return trustGraph(compile(await loadTopology(name, { set })))
}

// `npx vitest run harness/trust -u` draws them anew.
describe.each(names)('docs/topologies/%s', (name) => {
  test('.mmd is drawn from the topology', async () => {
    await expect(mermaidPicture(await graphOf(name))).toMatchFileSnapshot(`../../docs/topologies/${name}.mmd`)
  })

  test('.svg is drawn from the topology', async () => {
    await expect(svgPicture(await graphOf(name))).toMatchFileSnapshot(`../../docs/topologies/${name}.svg`)
  })
})

test('the graph says who issues, who holds, who accepts, and whom a target believes', async () => {
  const graph = await graphOf('separate-auth')

  expect(graph.issuers).toContainEqual({
    node: 'auth-b',
    domain: 'org-b',
    issues: 'bound-token',
    url: 'https://auth-b.somebiz.local.io:8443',
  })
  expect(graph.credentials.find(({ name }) => name === 'peer-a-to-b')).toMatchObject({
    issuer: 'auth-b',
    holders: ['node-a'],
    domain: 'org-b',
    boundTo: 'cert-node-a',
    use: 'peer',
  })
  expect(graph.targets.find(({ node }) => node === 'node-b')).toEqual({
    node: 'node-b',
    domain: 'org-b',
    believes: 'auth-b',
    anchors: expect.arrayContaining(['org-a', 'org-b']),
    actions: expect.arrayContaining(['peering:connect', 'node:read', 'node:routes']),
  })
  expect(graph.edges).toContainEqual({
    kind: 'accepts',
    from: 'node-a',
    to: 'node-b',
    credential: 'peer-a-to-b',
    actions: ['peering:connect'],
  })
  expect(graph.edges).not.toContainEqual(
    expect.objectContaining({ kind: 'accepts', to: 'node-b', credential: 'node-a' }),
  )
})

test('a picture says of each node in which networks it is, where they are declared', () => {
  const graph = trustGraph(compile(apart()))

  expect(graph.nodes.find(({ name }) => name === 'node-a')).toMatchObject({ networks: ['outside', 'inside-a'] })
  expect(svgPicture(graph)).toContain('>in outside, inside-a</text>')
  expect(mermaidPicture(graph)).toContain('"<b>ca-b</b><br/>step-ca<br/>in inside-b"')
})

test('a picture of the largest mesh has every node, and is the same each time', async () => {
  const graph = await graphOf('separate-auth', { orgs: '12' })
  const svg = svgPicture(graph)

  for (const { name } of graph.nodes) expect(svg).toContain(`>${name}</text>`)
  expect(svgPicture(await graphOf('separate-auth', { orgs: '12' }))).toBe(svg)
})

test('text of a topology cannot become markup', async () => {
  const graph = { ...(await graphOf('shared-auth')), summary: '</title><script>x</script>"' }
  graph.nodes[0]!.kinds = ['<b>"&#']

  expect(svgPicture(graph)).not.toMatch(/<script|<b>/)
  expect(mermaidPicture(graph)).toContain('#60;b#62;#34;#38;#35;')
})
