import type { PlanUnit, Template } from '../../topology/plan.ts'

/** Reads what the node says of itself until it knows a leader, and each of its peers as one that it reaches, or that refuses it. */
const program = `
  const https = require('node:' + new URL(process.argv[1]).protocol.slice(0, -1))
  const { readFileSync } = require('node:fs')
  const [url, ca, token] = process.argv.slice(1)
  const headers = { authorization: 'Bearer ' + readFileSync(token, 'utf8').trim() }
  const until = Date.now() + 40000
  const look = () => {
    const again = (last) => (Date.now() > until ? fail(last) : setTimeout(look, 100))
    https.get(url, { ca: ca && readFileSync(ca), headers }, (response) => {
      let text = ''
      response.on('data', (part) => (text += part)).on('end', () => {
        if (response.statusCode !== 200) return again(response.statusCode + ' ' + text)
        const { leader, peers } = JSON.parse(text)
        const isKnown = ({ id, reachable, peerAuth }) => reachable || peerAuth === 'refused_us'
        if (leader !== null && peers.every(isKnown)) process.exit(0)
        again(text)
      })
    }).on('error', (failure) => again(failure.message))
  }
  const fail = (last) => {
    console.error('no leader, or a peer that is not reached: ' + last)
    process.exit(1)
  }
  look()`

/** A node is ready before it has a leader; who calls it wants one. */
export function electedUnit(
  { node, unit }: { node: string; unit: string },
  { url, ca, tokenFile }: { url: string; ca: Template; tokenFile: Template },
): PlanUnit {
  return {
    ...{ name: `${unit}-elected`, kind: 'await', summary: 'waits until its cluster has a leader', files: [] },
    after: [`${node}/${unit}`],
    steps: [{ run: { program: { path: 'node' }, args: ['-e', program, url, ca, tokenFile] } }],
  }
}
