import { expect, test } from 'vitest'
import { createVitest } from 'vitest/node'
import { saysThatItWaits, scenarioFiles, waitingFiles } from './waiting.ts'

test('the options of a scenario say whether it waits', () => {
  expect(saysThatItWaits("const test = scenario('transit', { waits: true, set: { auth: 'shared' } })")).toBe(true)
  expect(saysThatItWaits("const test = scenario('transit') // everybody waits")).toBe(false)
})

test('each scenario file runs in one of the two projects', async () => {
  const vitest = await createVitest({
    root: `${import.meta.dirname}/..`,
    watch: false,
    project: ['scenarios', 'waiting'],
  })
  try {
    const specifications = await vitest.globTestSpecifications()
    const filesOf = (project: string) =>
      specifications
        .filter((one) => one.project.name === project)
        .map(({ testModule, moduleId }) => testModule?.relativeModuleId ?? moduleId)
    const relative = (files: string[]) => files.map((file) => file.slice(file.indexOf('scenarios/'))).toSorted()
    const [scenarios, waiting] = [relative(filesOf('scenarios')), relative(filesOf('waiting'))]
    expect(waiting).toEqual(waitingFiles())
    expect(waiting).not.toEqual([])
    expect([...scenarios, ...waiting].toSorted()).toEqual(scenarioFiles())
  } finally {
    await vitest.close()
  }
})
