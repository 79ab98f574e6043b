import { generateKeyPairSync } from 'node:crypto'
import { cases, type Variant } from '../attack.ts'
import type { Lab } from '../lab.ts'
import { START } from '../outcome.ts'
import { type EndedStart, startElsewhere } from '../start-elsewhere.ts'

/** What lies where the root of a trust domain should be; undefined: nothing at all. */
const anchored = (text: string | undefined, { isFolder = false, everywhere = false } = {}): Variant => ({
  expect: START('config_invalid'),
  attack: async (lab) => {
    await using elsewhere = await startElsewhere(lab)
    const members = elsewhere.members('ca')
    lab.demand(members.length > 0, 'its configuration names no anchor')
    const file = isFolder ? elsewhere.folder : await elsewhere.write('anchor.pem', text)
    // All anchors are read in the same way, so that one place of them is enough for each of the other texts.
    const attacked = everywhere ? members : members.slice(0, 1)
    const [control, ...ended] = await Promise.all([
      everywhere ? elsewhere.start({ isCheck: true }) : undefined,
      ...attacked.map((member) => elsewhere.start({ change: { member, value: file } })),
    ])
    lab.demand(
      control === undefined || control.code === 0,
      `it does not take its own configuration: ${control?.stderr}`,
    )
    for (const [at, one] of ended.entries()) demandRefused(lab, one!, { place: attacked[at]?.join('.') ?? '', file })
  },
})

function demandRefused(lab: Lab, ended: EndedStart, { place, file }: { place: string; file: string }): void {
  const { code, stderr, stdout, isListening, ms } = ended
  const lines = stderr.trimEnd().split('\n')
  lab.demand(code === 78, `with ${place} so it ends with ${code}, not 78`)
  lab.demand(lines.length === 1 && stdout === '', `it writes ${lines.length} lines, not one`)
  lab.demand(stderr.includes('config_invalid') && stderr.includes(file), `it does not name the file: ${stderr}`)
  lab.demand(!isListening, `with ${place} so it opens a socket`)
  lab.demand(ms < 5_000, `it takes ${Math.round(ms)} ms to refuse`)
}

function someKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** What must be right before a service opens a socket. */
export const starts = cases(['start'], {
  'TLS-15': {
    title: 'without a usable anchor a service does not start: no anchor never means any CA',
    source: 'CVE-2026-27586 (GHSA-hffm-g8v7-wrv7); RFC 8705 section 7.4',
    variants: {
      'no file, whichever of its anchors it is': anchored(undefined, { everywhere: true }),
      'an empty file': anchored(''),
      'what cannot be read as a file': anchored(undefined, { isFolder: true }),
      'a text that is no PEM': anchored('trust me\n'),
      'a private key and no certificate': anchored(someKey()),
      'a damaged certificate': anchored('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'),
    },
  },
})
