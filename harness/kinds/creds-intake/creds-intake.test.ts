import { expect, test } from 'vitest'
import { mistakesOf, unitOf } from './testing/command-post.ts'

test('takes over what was handed to its node, as it was declared, and again whenever that is another set', () => {
  const handover = { owner: 'keys', group: 'handover', mode: '0640' }
  const { after, steps, json, decisionLog, service } = unitOf('creds-intake', { handover, intake: { timeout: '10s' } })
  expect(json).toEqual({
    ...{ node: 'post', unit: 'creds-intake', receiver: 'orchestrator' },
    handover: {
      ...{ folder: '@{dir}/credentials/creds', owner: 'keys', group: 'handover', fileMode: '0640' },
      timeoutSeconds: 10,
    },
    credsDir: '@{dir}/units/creds-intake/nats-creds',
    decisionLog: '@{unit}/decisions.jsonl',
  })
  expect(after).toEqual(['post/creds'])
  const args = ['creds-intake', '--config', '@{unit}/config.json']
  expect(steps).toEqual([
    { follow: { folder: '@{dir}/credentials/creds' } },
    { run: { program: { service: 'orchestrator' }, args } },
  ])
  expect([decisionLog, service]).toEqual(['@{unit}/decisions.jsonl', undefined])
})

test('without owner and group, files are expected as they are handed over to one user', () => {
  expect(unitOf('creds-intake').json.handover).toEqual({
    ...{ folder: '@{dir}/credentials/creds', fileMode: '0600', timeoutSeconds: 45 },
  })
})

test.each([
  ['a certificate', { from: 'cert-post' }, '"cert-post" is no set of nats-creds'],
  ['nothing', { from: 'cred' }, '"cred" is not declared'],
  ['something for longer than a step may take', { timeout: '2m' }, 'is longer than a step may take'],
])('an intake of %s is a mistake', (_, intake, message) => {
  expect(mistakesOf({ intake }).join('\n')).toContain(message)
})
