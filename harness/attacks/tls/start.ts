import { generateKeyPairSync } from 'node:crypto'
import { cases, type Variant } from '../attack.ts'
import { START } from '../outcome.ts'
import { startElsewhere } from '../start-elsewhere.ts'

/** What lies where the root of a trust domain should be; undefined: nothing at all. */
const anchored = (text: string | undefined, { isFolder = false, everywhere = false } = {}): Variant => ({
  expect: START('config_invalid'),
  async attack(lab) {
    await using elsewhere = await startElsewhere(lab)
    const members = elsewhere.members('ca')
    lab.demand(members.length > 0, 'its configuration names no anchor')
    const file = `${elsewhere.folder}${isFolder ? '' : '/anchor.pem'}`
    if (text !== undefined) await elsewhere.write('anchor.pem', text)
    // All anchors are read in the same way, so that one place of them is enough for each of the other texts.
    const attacked = everywhere ? members : members.slice(0, 1)
    await Promise.all([
      everywhere && elsewhere.demandOwnTaken(),
      ...attacked.map((member) => elsewhere.demandRefused({ member, value: file }, ['config_invalid', file])),
    ])
  },
})

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
