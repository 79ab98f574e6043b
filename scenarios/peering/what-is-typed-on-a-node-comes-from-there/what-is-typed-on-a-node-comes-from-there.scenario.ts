import { expect, scenario } from 'holdfast/vitest'

const test = scenario('shared-auth', { needs: ['names'] })

test('curl on B: let in with its certificate, refused without', async ({ site }) => {
  const node = site.node('node-b')
  const { token = '' } = await site.held('node-b')
  const tap = await site.tap('node-b')
  const routes = `https://${node.host}:9444/v1/routes`
  // On standard input, for arguments are shown to everybody who lists processes.
  const $ = node.$({ input: `oauth2-bearer = "${token}"` })
  const certificate = ['--cert', 'credentials/cert-node-b/cert.pem', '--key', 'credentials/cert-node-b/key.pem']
  const curl = ['curl', '--silent', '--show-error', '--config', '-', '--cacert', 'anchors/somebiz.pem']

  expect(JSON.parse((await $`${curl} ${certificate} ${routes}`).stdout)).toMatchObject({ routes: expect.any(Array) })
  expect((await $`${curl} ${routes}`.nothrow()).exitCode).not.toBe(0)

  const decided = await tap.decisions({ listener: 'local' })
  expect(decided.map(({ verdict, reason }) => [verdict, reason])).toEqual([
    ['accepted', null],
    ['refused', 'cert_missing'],
  ])
  const events = JSON.stringify(site.site.events().filter(({ event }) => event === 'executed'))
  expect(events).toContain('--cert credentials/cert-node-b/cert.pem')
  expect(events).not.toContain(token)
})
