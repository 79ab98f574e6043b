import { expect, test } from 'vitest'
import { z } from 'zod'
import { compile } from '../shipped.ts'
import { defineTopology } from './define.ts'
import { defineKind } from './kind.ts'
import { LoadedTopology } from './loaded-topology.ts'

const certificate = { kind: 'certificate', issuer: 'ca', holder: 'door', lifetime: '10m', handover: 'enrol' } as const
const accepts = [{ target: ['door'], action: 'door:open', credential: ['cert-door'] }] as const

const door = defineKind({
  name: 'door',
  summary: 'a door',
  settings: z.strictObject({ port: z.int().default(9500) }),
  plan: ({ settings: { port } }) => ({
    summary: 'a door',
    files: [],
    service: {
      command: { program: { path: '/bin/true' }, args: [] },
      ready: { tcp: { port } },
      listeners: [{ name: 'door', port, protocol: 'https', clientCertificate: 'required' }],
    },
  }),
  actions: {
    'door:open': {
      summary: 'opens it',
      listener: 'door',
      carrier: 'none',
      request: { http: { method: 'GET', path: '/', expect: [200] } },
    },
  },
})

const lab = defineTopology({
  name: 'lab',
  summary: 'A door.',
  parameters: { port: { default: 9500, min: 1, max: 65_535, summary: 'Port of the door.' } },
  kinds: [door],
  value: ({ port }) => ({
    trustDomains: { lab: { ca: 'ca' } },
    nodes: {
      ca: { host: 'ca.lab.test', domain: 'lab', units: { ca: { kind: 'step-ca' } } },
      door: { host: 'door.lab.test', domain: 'lab', units: { door: { kind: 'door', settings: { port } } } },
    },
    credentials: { 'cert-door': certificate },
    accepts,
  }),
})

test('a topology brings its kind along, has parameters, and may be written with read-only lists', () => {
  const plan = compile(new LoadedTopology('lab', lab.instance({ port: 9600 }), { port: 9600 }, { kinds: lab.kinds }))

  const unit = plan.nodes.door?.units.find(({ name }) => name === 'door')
  expect(unit?.service?.listeners).toMatchObject([{ name: 'door', port: 9600 }])
  expect(plan.accepts).toEqual([{ target: 'door', action: 'door:open', credential: 'cert-door' }])
})

test('without its kind the same topology is a mistake', () => {
  expect(() => compile(lab.instance({ port: 9600 }))).toThrow('"door" is no service kind')
})
