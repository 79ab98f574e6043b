import type { Step, Template, UnitRef } from '../../topology/plan.ts'
import { insiderOf } from '../insider-of.ts'
import type { Unit } from './index.ts'

/** The CA that signs certificates of peers, as a gateway must know it. */
export interface PeerCa {
  readonly url: string
  readonly root: Template
  /** Root and issuing CA, one after the other. */
  readonly chain: Template
  readonly rootCrl: Template
  /** The provisioner, and its private key. */
  readonly provisioner: string | undefined
  readonly key: Template
  /** What brings the files there. */
  readonly steps: Step[]
  readonly after: readonly UnitRef[]
}

const issuing = '@{unit}/peer-ca/issuing.crt'
const rootCrl = '@{unit}/peer-ca/root.crl'
const chain = '@{unit}/peer-ca/chain.pem'

export function peerCaOf(unit: Unit, node: string): PeerCa {
  const revokes = insiderOf(unit, node, 'revokes')
  // Says what is wrong where there is no such node, or where none of its networks leads there.
  const url = unit.url(node, revokes?.listener ?? 'ca')
  if (revokes === undefined && unit.insiders().some((one) => one.node === node)) {
    unit.mistake('settings.ca', `"${node}" revokes nothing; give its CA several provisioners, and a CRL`)
  }
  const root = unit.anchor(unit.topology.nodes[node]?.domain ?? unit.domain)
  const { path: key, declaration } = unit.credential(unit.settings.provisioner)
  const [issuer, provisioner] = declaration?.issuer.split('/') ?? []
  if (issuer !== undefined && issuer !== node) {
    unit.mistake('settings.provisioner', `"${unit.settings.provisioner}" is a key for "${issuer}", not for "${node}"`)
  }
  const fetched = (file: Template, path: Template): Step => {
    return { receive: { from: node, source: { file }, to: { path, mode: '0600' } } }
  }
  const steps: Step[] = [
    fetched(revokes?.rootCrl ?? rootCrl, rootCrl),
    fetched(revokes?.issuing ?? issuing, issuing),
    { write: { path: chain, text: `@{content:${root}}\n@{content:${issuing}}\n` } },
  ]
  const after = revokes === undefined ? [] : [`${node}/${revokes.unit}`]
  return { url, root, chain, rootCrl, provisioner, key, steps, after }
}
