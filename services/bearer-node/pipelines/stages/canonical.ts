import { fileURLToPath } from 'node:url'
import type { PipelineConfig } from '../pipelines.ts'

/** Programs stand beside this module as sources, as what was built of them, and where services are bundled. */
const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

function program(name: string): string[] {
  return [process.execPath, fileURLToPath(new URL(`./${name}-program.${suffix}`, import.meta.url))]
}

const TIMEOUT_MS = 60_000

/** The pipelines that ship with a node. */
export const CANONICAL: Readonly<Record<string, PipelineConfig>> = {
  canonical_selfplay: {
    params: {
      type: 'object',
      properties: {
        games: { type: 'integer', minimum: 2, maximum: 1_000, default: 20, description: 'How many games are played.' },
        start: {
          ...{ type: 'integer', minimum: 0, maximum: 2_147_483_647, default: 1 },
          description: 'Number that the games follow from: equal ones make equal games.',
        },
      },
      additionalProperties: false,
    },
    stages: [
      { name: 'selfplay', argv: program('selfplay'), timeoutMs: TIMEOUT_MS, needs: [] },
      { name: 'train', argv: program('train'), timeoutMs: TIMEOUT_MS, needs: ['selfplay'] },
      { name: 'evaluate', argv: program('evaluate'), timeoutMs: TIMEOUT_MS, needs: ['train'] },
    ],
  },
}
