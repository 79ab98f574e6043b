import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { declaredGuards, programsOf } from '../harness/faults/declared-guards.ts'

// What the README of a service shows is what the service takes, and what it lists is what there is.

const root = join(import.meta.dirname, '../services')
const services = readdirSync(root).filter((name) => existsSync(join(root, name, 'README.md')))

describe.each(services)('%s', (service) => {
  const text = readFileSync(join(root, service, 'README.md'), 'utf8')

  test('each configuration that it shows is good', async () => {
    for (const [, json = ''] of text.matchAll(/```json\n([\s\S]*?)```/g)) {
      const shown = JSON.parse(json) as Record<string, unknown>
      if (!Object.hasOwn(shown, 'decisionLog')) continue
      const { program } = (await import(join(root, service, 'config.ts'))) as {
        program: { schema: { safeParse(value: unknown): { error?: { message: string } } } }
      }
      expect(program.schema.safeParse(shown).error?.message).toBeUndefined()
    }
  })

  test('each guard and each reason is listed, here or in a README that it leads to', async () => {
    const linked = [...text.matchAll(/\]\(\.\.\/([a-z-]+)\/README\.md/g)].map(([, name = '']) => name)
    const all = [service, ...linked].map((name) => readFileSync(join(root, name, 'README.md'), 'utf8')).join('\n')
    const declared = await Promise.all(programsOf(service).map((program) => declaredGuards(program)))
    const missing = declared
      .flatMap(Object.entries<readonly string[]>)
      .flatMap(([guard, reasons]) =>
        [guard, ...reasons].filter((name) => !all.includes(`\`${name}\``)).map((name) => `${guard}: ${name}`),
      )
    expect(missing).toEqual([])
  })
})
