import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { checkImports } from './check-imports.ts'

async function violationsOf(files: Record<string, string>): Promise<string[]> {
  const root = await mkdtemp(join(tmpdir(), 'imports-'))
  try {
    for (const [file, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, file)), { recursive: true })
      await writeFile(join(root, file), text)
    }
    const { files: count, violations } = await checkImports(root)
    expect(count).toBe(Object.keys(files).length)
    return violations.map((text) => text.split(': ')[0]!)
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

test('imports that go one way pass', async () => {
  const violations = await violationsOf({
    'scenarios/peering/claim/claim.scenario.ts': `import { scenario } from 'holdfast/vitest'\nimport '../shared.ts'`,
    'harness/topology/plan.ts': `export type { Identity } from '../pki/certificate.ts'\nimport { z } from 'zod'`,
    'harness/cli/up.ts': `const { kinds } = await import('../shipped.ts')`,
    'harness/backends/b.test.ts': `import { kinds } from '../shipped.ts'`,
    'services/orchestrator/main.ts': `import '../shared/guard.ts'\nimport './config.ts'\nimport { WebSocket } from 'ws'`,
    'services/shared/guard.ts': `import './log.ts'`,
  })
  expect(violations).toEqual([])
})

test.each([
  [
    'a scenario that reaches into the harness',
    'scenarios/a/a.scenario.ts',
    `import '../../harness/vitest.ts'`,
    '../../harness/vitest.ts',
  ],
  ['a scenario that imports a package', 'scenarios/a/a.scenario.ts', `import 'vitest'`, 'vitest'],
  [
    'the harness that imports a service',
    'harness/kinds/k.ts',
    `import '../../services/shared/guard.ts'`,
    '../../services/shared/guard.ts',
  ],
  [
    'a service that imports the harness',
    'services/shared/s.ts',
    `import '../../harness/errors.ts'`,
    '../../harness/errors.ts',
  ],
  ['a service that imports another one', 'services/a/s.ts', `import '../b/main.ts'`, '../b/main.ts'],
  ['shared code that imports a service', 'services/shared/s.ts', `import '../a/main.ts'`, '../a/main.ts'],
  [
    'the topology that imports a backend',
    'harness/topology/t.ts',
    `import '../backends/backend.ts'`,
    '../backends/backend.ts',
  ],
  ['general code that knows what is shipped', 'harness/site/s.ts', `import '../shipped.ts'`, '../shipped.ts'],
  [
    'an attack that knows all of them',
    'harness/attacks/a.ts',
    `import '../shipped-families.ts'`,
    '../shipped-families.ts',
  ],
  [
    'general code that knows a protocol',
    'harness/site/s.ts',
    `import type { HttpRequest } from '../protocols/http/index.ts'`,
    '../protocols/http/index.ts',
  ],
  ['a layer that reaches up', 'harness/agent/a.ts', `import '../site/until.ts'`, '../site/until.ts'],
  ['a type alone', 'harness/pki/p.ts', `import type { Site } from '../backends/backend.ts'`, '../backends/backend.ts'],
  [
    'a type by import()',
    'harness/pki/p.ts',
    `type S = import('../backends/backend.ts').Site`,
    '../backends/backend.ts',
  ],
  ['an import() at run time', 'harness/trust/t.ts', 'await import(`../backends/${name}.ts`)', '../backends/'],
  ['a re-export', 'harness/tokens/t.ts', `export * from '../backends/backend.ts'`, '../backends/backend.ts'],
  ['a computed import() of a service', 'services/a/s.ts', 'await import(file)', 'import(…)'],
])('%s is named', async (_, file, text, specifier) => {
  expect(await violationsOf({ [file]: text })).toEqual([`${file}:1 imports ${specifier}`])
})
