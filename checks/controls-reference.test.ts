import { expect, test } from 'vitest'
import * as known from '../scenarios/controls/differences.ts'
import { controlsReference } from './controls-reference.ts'

test('the reference tells what gateways of others let in or answer otherwise, as the scenarios expect it', async () => {
  await expect(controlsReference(known)).toMatchFileSnapshot('../docs/reference/controls.md')
})
