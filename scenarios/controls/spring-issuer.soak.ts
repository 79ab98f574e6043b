import { attacks, matrix } from 'holdfast/vitest'
import { tokenCases } from './cases.ts'
import { built } from './stacks.ts'

// A Spring Authorization Server: a JVM takes seconds to start, and its build minutes the first time.
const folder = '../../fixtures/controls/spring-issuer'
const stack = await built('spring-issuer', ['idp'])

await matrix(`${folder}/issuer.json`, { ...stack, full: false })
await attacks(`${folder}/issuer.json`, { ...stack, targets: ['gateway'], cases: tokenCases })
await matrix(`${folder}/asked.json`, { ...stack, full: false })
