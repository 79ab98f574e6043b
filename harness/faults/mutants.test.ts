import { expect, test } from 'vitest'
import { declaredGuards } from './declared-guards.ts'
import { knownCauses, staleExplanations, staleGuards, whyUnmissed, whyUnseen } from './explained.ts'
import { type Mutant, mutantsOf } from './mutants.ts'

async function mutantsIn(service: string): Promise<Mutant[]> {
  const guards = Object.entries(await declaredGuards(service))
  return mutantsOf(
    guards.map(([guard, reasons]) => {
      return { service, guard, scenarios: [], reasons: reasons.map((name) => ({ name, scenarios: [] })) }
    }),
  )
}

test('whatever is explained as what nobody can see is there', async () => {
  const all = (await Promise.all(['orchestrator', 'auth-server'].map(mutantsIn))).flat()
  const [one] = all
  const cause = (line: string) => {
    return { because: 'it is the same', mutants: [{ module: one!.module, line, changes: [one!.name] }] }
  }

  expect(staleExplanations(all)).toEqual([])
  expect(staleExplanations(all, [cause('no such line')])).toEqual([`${one!.module}: ${one!.name} in no such line`])
  expect(whyUnseen(one!, [cause('no such line'), cause(one!.lineText)])).toBe('it is the same')
  expect(whyUnseen(one!, [cause('no such line')])).toBeUndefined()
})

test('whatever guard is explained as what nobody misses is declared', async () => {
  const explained = knownCauses().flatMap(({ guards = [] }) => guards)
  const programs = [...new Set(explained.map((guard) => guard.split('/')[0]!))]
  const declared = await Promise.all(
    programs.map(async (program) => Object.keys(await declaredGuards(program)).map((guard) => `${program}/${guard}`)),
  )
  const cause = { because: 'it says it twice', guards: ['s/one'] }

  expect(explained).not.toEqual([])
  expect(staleGuards(declared.flat())).toEqual([])
  expect([staleGuards(['s/one'], [cause]), staleGuards(['s/two'], [cause])]).toEqual([[], ['s/one']])
  expect([whyUnmissed('s/one', [cause]), whyUnmissed('s/on', [cause])]).toEqual(['it says it twice', undefined])
})

test('mutants lie in guards and in what they call, each with its guards', async () => {
  const [orchestrator, authServer] = await Promise.all(['orchestrator', 'auth-server'].map(mutantsIn))
  const found = (module: string, name: string, original: string) =>
    orchestrator?.find((one) => one.module === module && one.name === name && one.original.includes(original))

  expect(orchestrator!.length).toBeGreaterThan(1_000)
  expect(authServer!.length).toBeGreaterThan(500)
  expect(new Set(orchestrator!.map(({ id }) => id)).size).toBe(orchestrator!.length)
  expect(found('shared/token-binding.ts', 'first half', 'thumbprint')).toMatchObject({
    guards: ['token.binding'],
    calls: 0,
  })
  expect(found('shared/token-binding.ts', 'prefix', 'context.audiences')).toMatchObject({ guards: ['token.audience'] })
  expect(found('shared/token-form.ts', 'without case', 'policy.issuer')).toMatchObject({ guards: ['token.issuer'] })
  // Not called by the guard, but it finds what the guard refuses for.
  expect(found('shared/peer-certificate.ts', 'inverted', 'leaf.validToDate')?.guards).toContain('peer.tls')
  expect(orchestrator!.filter(({ module }) => module.startsWith('auth-server/'))).toEqual([])
})
