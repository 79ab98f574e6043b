import { attacks, matrix } from 'holdfast/vitest'
import { tokenCases } from './cases.ts'
import { built } from './stacks.ts'

// A Keycloak takes half a minute to start, and some 160 MB to fetch the first time: too much for every run.
const folder = '../../fixtures/controls/keycloak'
const stack = await built('keycloak', ['idp'])

await matrix(`${folder}/keycloak.json`, { ...stack, full: false })
await attacks(`${folder}/keycloak.json`, { ...stack, targets: ['gateway'], cases: tokenCases })
await matrix(`${folder}/asked.json`, { ...stack, full: false })
