import { askingAs, isSuccess, saidTo } from '../asking.ts'
import { cases, steps } from '../attack.ts'
import type { Lab } from '../lab.ts'
import { demanded } from '../outcome.ts'

/**
 * Texts that some parts of a server take for one path and others for another: whoever guards it by one of them, and answers by another, guards
 * nothing. A server that takes each for a path of its own answers with what it has there.
 */
export function spellingsOf(target: string): string[] {
  const [path = '', ...query] = target.split(/(?=\?)/)
  const encoded = path.replace(/[a-z]/i, (one) => `%${one.charCodeAt(0).toString(16)}`)
  // Pages that are often for everybody, where only the query, a parameter or a folder that is left again names them.
  const besidePublic = [`${path}?x=/health`, `${path};/health`, `/public/..${path}`, `/public/%2e%2e${path}`]
  const spellings = [
    ...[`${path}/`, `${path}/.`, `/${path}`, `/.${path}`, `/x/..${path}`, `/x/%2e%2e${path}`],
    ...[path.toUpperCase(), encoded, `${path};x=1`, `${path}%20`, `${path}.json`],
    ...[encoded.replace('%', '%25'), `${path}%2f`, `/\\${path.slice(1)}`, `${path}.`, `${path}%00`, ...besidePublic],
  ]
  return [...new Set(spellings)]
    .filter((one) => one !== path)
    .map((one) => `${one}${one.includes('?') ? query.join('').replace('?', '&') : query.join('')}`)
}

export const paths = cases(['takes:bound-token', 'speaks:http'], {
  'GEN-43': {
    title: 'what is behind a path is guarded however that is written',
    source: 'RFC 3986 section 6.2; CVE-2016-5007',
    variants: {
      'without a token': steps(demanded('under no other spelling what is there for a token'), withoutToken),
    },
  },
})

async function withoutToken(lab: Lab): Promise<void> {
  const right = await askingAs(lab, lab.good())
  const wrong = await askingAs(lab, lab.good().withoutToken())
  const own = saidTo(lab).path
  const { status, body } = await right()
  lab.demand(isSuccess(status), `it answers ${status} to the right token`)
  for (const path of spellingsOf(own)) {
    const answer = await wrong({ path })
    const isTheSame = answer.status === status && answer.body === body
    lab.demand(!isTheSame, `it answers ${path} without a token as it answers ${own} with one`)
  }
}
