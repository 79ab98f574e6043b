import type { Attack } from './attack.ts'
import { A1 } from './outcome.ts'

const spelled = (alg: string) => ({
  expect: A1('alg_not_allowed'),
  attack: (lab: Parameters<Attack['variants'][string]['attack']>[0]) =>
    lab.call(lab.good().withToken((token) => unsigned(token, alg), `with alg ${alg}`)),
})

function unsigned(token: string, alg: string): string {
  const [header = '', payload] = token.split('.')
  const own = JSON.parse(Buffer.from(header, 'base64url').toString()) as object
  return `${Buffer.from(JSON.stringify({ ...own, alg })).toString('base64url')}.${payload}.`
}

export const jose: readonly Attack[] = [
  {
    id: 'GEN-01',
    title: 'an unsigned token is refused',
    source: 'RFC 8725 section 3.1; RFC 9068 section 4',
    needs: ['bound-bearer'],
    variants: { 'alg none': spelled('none'), 'alg None': spelled('None') },
  },
]
