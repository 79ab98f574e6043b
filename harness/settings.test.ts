import { homedir, tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { programEnvironment, SETTING_VARIABLES, settings } from './settings.ts'

test('without variables, everything has its default', () => {
  expect(settings({})).toMatchObject({
    cacheDir: join(homedir(), '.cache', 'holdfast'),
    runtimeDir: join(tmpdir(), `holdfast-${userInfo().uid}`),
    backend: 'process',
    tools: {},
    path: [],
    noColor: false,
    ci: false,
    debug: false,
  })
})

test('our own variables go before those of the desktop', () => {
  const desktop = { XDG_CACHE_HOME: '/xdg/cache', XDG_RUNTIME_DIR: '/xdg/run' }
  expect(settings(desktop)).toMatchObject({
    cacheDir: '/xdg/cache/holdfast',
    runtimeDir: `/xdg/run/holdfast-${userInfo().uid}`,
  })
  const own = { ...desktop, HOLDFAST_CACHE_DIR: '/own/cache', HOLDFAST_RUNTIME_DIR: '/own/run' }
  expect(settings(own)).toMatchObject({ cacheDir: '/own/cache', runtimeDir: '/own/run' })
})

test('an empty variable is as good as none', () => {
  expect(settings({ HOLDFAST_STEP_CA: '', HOLDFAST_BACKEND: '', NO_COLOR: '', CI: 'false' })).toMatchObject({
    tools: {},
    backend: 'process',
    noColor: false,
    ci: false,
  })
  expect(settings({ HOLDFAST_STEP_CA: '/opt/step-ca', NO_COLOR: '1', CI: 'true' })).toMatchObject({
    tools: { 'step-ca': '/opt/step-ca' },
    noColor: true,
    ci: true,
  })
})

test('each variable is listed with its default and its meaning', () => {
  for (const [standard, meaning] of Object.values(SETTING_VARIABLES)) expect(standard && meaning).toBeTruthy()
})

test('programs of a node inherit nothing that changes how they behave', () => {
  const shell = {
    PATH: '/bin',
    HOME: '/home/a',
    NODE_OPTIONS: '--inspect',
    HTTPS_PROXY: 'http://p',
    NPM_TOKEN: 'secret',
  }
  expect(programEnvironment({ HOLDFAST_RUN: 'r' }, shell)).toEqual({ PATH: '/bin', HOME: '/home/a', HOLDFAST_RUN: 'r' })
})

test('a guard to take out is named as service/guard, or it is a mistake', () => {
  expect(settings({}).sabotage).toBeUndefined()
  expect(settings({ HOLDFAST_SABOTAGE: 'orchestrator/token.binding' }).sabotage).toBe('orchestrator/token.binding')
  for (const text of ['token.binding', '../orchestrator/x', 'orchestrator/', 'orchestrator/a b']) {
    expect(() => settings({ HOLDFAST_SABOTAGE: text })).toThrow(/HOLDFAST_SABOTAGE is ".*"; write service\/guard/)
  }
})
