import { expect, test } from 'vitest'
import { settings } from '../settings.ts'
import { bundledServices } from './bundled.ts'

test('a site runs the services of the settings, and sources where something is loaded into one of its programs', () => {
  const given = settings({ HOLDFAST_SERVICES: '/bundled' })

  expect(bundledServices({}, given)).toBe('/bundled')
  expect(bundledServices({ env: { 'node-a': { OTHER: '1' } } }, given)).toBe('/bundled')
  const loaded = { 'node-a': { OTHER: '1' }, 'node-b/auth': { NODE_OPTIONS: '--import x' } }
  expect(bundledServices({ env: loaded }, given)).toBeUndefined()
  expect(bundledServices({}, settings({}))).toBeUndefined()
})
