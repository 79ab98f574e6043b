import { expect, test } from 'vitest'
import { StartFailure } from '../../shared/start-failure.ts'
import { type PipelineConfig, pipelinesOf } from './pipelines.ts'

const stage = (name: string, ...needs: string[]) => ({ name, argv: ['true'], timeoutMs: 1_000, needs })
const pipeline = (...stages: PipelineConfig['stages']) => ({ pipelines: { p: { params: { type: 'object' }, stages } } })

test('stages stand behind those that they need, and the pipeline that ships is there', () => {
  const pipelines = pipelinesOf(pipeline(stage('c', 'a', 'b'), stage('b', 'a'), stage('a')))

  expect(pipelines.get('p')?.stages.map(({ name }) => name)).toEqual(['a', 'b', 'c'])
  expect(pipelines.get('canonical_selfplay')?.stages.map(({ name }) => name)).toEqual(['selfplay', 'train', 'evaluate'])
})

test('a configured pipeline takes the place of the one that ships', () => {
  const own = { params: { type: 'object' }, stages: [stage('only')] }
  const pipelines = pipelinesOf({ pipelines: { canonical_selfplay: own } })
  expect(pipelines.get('canonical_selfplay')?.stages.map(({ name }) => name)).toEqual(['only'])
})

test.each<[string, PipelineConfig['stages'], RegExp]>([
  ['a circle', [stage('a', 'b'), stage('b', 'a')], /need each other in a circle/],
  ['one that needs itself', [stage('a', 'a')], /need each other in a circle/],
  ['a name twice', [stage('a'), stage('a')], /names a stage twice/],
  ['a need that is none', [stage('a', 'z')], /a needs z, which is no stage/],
  ['too many', Array.from({ length: 13 }, (_, at) => stage(`s${at}`)), /more than 12 stages/],
])('%s keeps a node from starting', (_, stages, message) => {
  expect(() => pipelinesOf(pipeline(...stages))).toThrow(StartFailure)
  expect(() => pipelinesOf(pipeline(...stages))).toThrow(message)
})
