import { StartFailure } from '../../shared/start-failure.ts'
import type { Config } from '../config.ts'
import { type ParamsCheck, paramsCheck } from './params.ts'
import { CANONICAL } from './stages/canonical.ts'

export type PipelineConfig = Config['pipelines'][string]

export interface Stage {
  readonly name: string
  readonly argv: readonly string[]
  readonly timeoutMs: number
  readonly needs: readonly string[]
}

export interface Pipeline {
  readonly name: string
  /** JSON Schema. */
  readonly params: Readonly<Record<string, unknown>>
  /** Each after those that it needs. */
  readonly stages: readonly Stage[]
  readonly check: ParamsCheck
}

export type Pipelines = ReadonlyMap<string, Pipeline>

/** Outputs of all stages of a run go over the wire in one body. */
const MOST_STAGES = 12

/** Those of the configuration, and those that ship with the node unless it has others of the name. Throws `StartFailure` (`config_invalid`). */
export function pipelinesOf({ pipelines }: Pick<Config, 'pipelines'>): Pipelines {
  return new Map(
    Object.entries({ ...CANONICAL, ...pipelines }).map(([name, { params, stages }]) => [
      name,
      { name, params, stages: inOrder(name, stages), check: paramsCheck(name, params) },
    ]),
  )
}

function inOrder(pipeline: string, stages: readonly Stage[]): readonly Stage[] {
  const refuse = (what: string): never => {
    throw new StartFailure('config_invalid', `pipelines.${pipeline}.stages: ${what}`)
  }
  const names = stages.map(({ name }) => name)
  if (names.length > MOST_STAGES) refuse(`has more than ${MOST_STAGES} stages; make two pipelines of it`)
  if (new Set(names).size < names.length) refuse('names a stage twice')
  for (const { name, needs } of stages) {
    const strange = needs.find((one) => !names.includes(one))
    if (strange !== undefined) refuse(`${name} needs ${strange}, which is no stage of it`)
  }
  const ordered: Stage[] = []
  while (ordered.length < stages.length) {
    const isDone = (name: string): boolean => ordered.some((one) => one.name === name)
    const next = stages.find(({ name, needs }) => !isDone(name) && needs.every(isDone))
    if (next === undefined) return refuse('stages need each other in a circle')
    ordered.push(next)
  }
  return ordered
}
