import type { Action } from '../../topology/kind.ts'

/** What can be lent, in the order of the service. */
export const resources = ['tasks', 'notes', 'memory', 'credentials', 'teams', 'users'] as const

const base = '/api/federation/v1'

/** What a peer can do: its certificate alone says who it is. */
export const actions: Readonly<Record<string, Action>> = {
  ...Object.fromEntries(resources.map((name) => [`federation:list/${name}`, list(name)])),
  'federation:search': ofPeers('searches what is lent to it', {
    method: 'POST',
    path: `${base}/search`,
    json: { q: 'plan' },
  }),
  'federation:capabilities': ofPeers('reads what is lent to it', { method: 'GET', path: `${base}/capabilities` }),
}

function list(name: string): Action {
  return ofPeers(`lists ${name} that are lent to it`, { method: 'POST', path: `${base}/list/${name}`, json: {} })
}

function ofPeers(summary: string, call: object): Action {
  return { summary, listener: 'federation', carrier: 'none', request: { http: { ...call, expect: [200] } } }
}
