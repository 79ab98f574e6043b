import { expect, test } from 'vitest'
import { z } from 'zod'
import { compile, kinds } from '../shipped.ts'
import { mistakesIn } from './fixtures/mistakes-in.ts'
import { defineKind } from './kind.ts'
import type { ToolProgram } from './plan.ts'
import { toolsOf } from './programs.ts'

const asIs = { settings: z.strictObject({}) }

function planned(starts: readonly ToolProgram[]) {
  const maker = defineKind({
    ...asIs,
    ...{ name: 'maker', summary: 'makes something with nsc' },
    plan: () => ({
      summary: 'makes something',
      files: [{ path: '@{unit}/config.json', json: { nsc: { program: '@{tool:nsc}' } } }],
      steps: [{ run: { program: { service: 'maker', starts }, args: ['--config', '@{unit}/config.json'] } }],
    }),
  })
  const units = { ca: { kind: 'step-ca' }, make: { kind: 'maker' } }
  const topology = {
    ...{ name: 'made', summary: 'one', trustDomains: { lab: { ca: 'one' } } },
    ...{ nodes: { one: { host: 'one.test', domain: 'lab', units } }, credentials: {}, accepts: [] },
  }
  return compile(topology, { kinds: new Map([...kinds, ['maker', maker]]) })
}

test('a program that a service starts is one of its unit', () => {
  const plan = planned([{ tool: 'nsc', dials: true }, { tool: 'nats' }])

  expect(toolsOf(plan.nodes.one!.units.at(-1)!)).toEqual([{ tool: 'nsc', dials: true }, { tool: 'nats' }])
})

test('the path of a program that nothing of the unit starts is a mistake', () => {
  expect(mistakesIn(() => planned([{ tool: 'nats' }]))).toMatchInlineSnapshot(`
    [
      {
        "message": "names @{tool:nsc}, and none of its programs starts nsc",
        "path": "nodes.one.units.make",
        "wayOut": "let its kind say so: program: { service: …, starts: [{ tool: "nsc" }] }",
      },
    ]
  `)
})
