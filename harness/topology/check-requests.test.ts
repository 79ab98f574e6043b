import { expect, test } from 'vitest'
import { z } from 'zod'
import { compile, protocols } from '../shipped.ts'
import { defineTopology } from './define.ts'
import { defineKind, type Observation, type Spoken } from './kind.ts'
import { LoadedTopology } from './loaded-topology.ts'

/** Mistakes of a topology with one unit that speaks so. */
function mistakesOf(request: Spoken, observe?: Spoken): string[] {
  const looking: Observation | undefined = observe && { listener: 'door', request: observe, ignore: [] }
  const door = defineKind({
    name: 'door',
    summary: 'a door',
    settings: z.strictObject({}),
    plan: () => ({
      summary: 'a door',
      files: [],
      service: {
        command: { program: { path: 'door' }, args: [] },
        ready: { tcp: { port: 9500 } },
        listeners: [{ name: 'door', port: 9500, protocol: 'https', clientCertificate: 'required' }],
      },
    }),
    actions: { 'door:open': { summary: 'opens it', listener: 'door', carrier: 'none', request } },
    observe: looking,
  })
  const lab = defineTopology({
    name: 'lab',
    summary: 'A door.',
    kinds: [door],
    value: () => ({
      trustDomains: { lab: { ca: 'ca' } },
      nodes: {
        ca: { host: 'ca.lab.test', domain: 'lab', units: { ca: { kind: 'step-ca', settings: {} } } },
        door: { host: 'door.lab.test', domain: 'lab', units: { door: { kind: 'door', settings: {} } } },
      },
      credentials: {},
      accepts: [],
    }),
  })
  try {
    compile(new LoadedTopology('lab', lab.instance({}), {}, { kinds: lab.kinds }))
    return []
  } catch (failure) {
    const { mistakes } = failure as { mistakes: { path: string; message: string; wayOut: string }[] }
    return mistakes.map(({ path, message, wayOut }) => `${path}: ${message}; ${wayOut}`)
  }
}

const get = { method: 'GET', path: '/', expect: [200] }
const place = 'nodes.door.units.door'
const wayOut = `let its kind name one of ${[...protocols.keys()].join(', ')}`

test('what is spoken in a form that its protocol has is no mistake', () => {
  expect(mistakesOf({ http: get }, { http: { paths: ['/state'] } })).toEqual([])
  expect(mistakesOf({ websocket: { path: '/', protocol: '' } })).toEqual([])
})

test.each([
  [{ htpp: get }, 'speaks "htpp", which no protocol does here'],
  [{ http: get, websocket: {} }, 'speaks more than one protocol'],
  [{}, 'speaks "nothing", which no protocol does here'],
] as [Spoken, string][])('an action that speaks %j is a mistake', (request, text) => {
  expect(mistakesOf(request)).toEqual([`${place}.door:open.request: ${text}; ${wayOut}`])
})

test('a request that its protocol cannot read names the member', () => {
  expect(mistakesOf({ http: { ...get, path: 7 } }).join()).toContain(`${place}.door:open.request.http.path: must be a`)
  expect(mistakesOf({ http: { ...get, pth: '/' } }).join()).toContain('pth')
})

test('only a protocol that shows a state can be looked by', () => {
  expect(mistakesOf({ http: get }, { websocket: { path: '/', protocol: '' } })).toEqual([
    `${place}.observe.request: speaks "websocket", which no protocol does here; let its kind name one of http`,
  ])
})
