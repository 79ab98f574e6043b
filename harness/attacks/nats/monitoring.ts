import { KnownSecrets } from '../../credentials/known-secrets.ts'
import { secretsIn } from '../../credentials/secrets.ts'
import { rendered } from '../../site/site-files.ts'
import { pidOf } from '../../site/targets.ts'
import { cases, steps } from '../attack.ts'
import { AttackWorks, type Lab } from '../lab.ts'
import { demanded } from '../outcome.ts'

/** All that a broker tells at that port, with as much of it as can be asked for. */
const pages = [
  ...['/varz', '/connz?auth=1&subs=detail&state=all', '/accountz', '/accstatz?unused=1', '/subsz?subs=1'],
  ...[
    '/jsz?accounts=1&streams=1&consumers=1&config=1',
    '/gatewayz',
    '/routez',
    '/leafz',
    '/debug/vars',
    '/debug/pprof/cmdline',
  ],
]

/** What a broker tells whoever asks on its own host. */
export const monitoring = cases(['broker-monitoring'], {
  'NATS-22': {
    title: 'no secret can be read where a broker tells about itself',
    source: 'CVE-2026-33247; CVE-2026-33216',
    variants: {
      'at its port': steps(demanded('no seed, no private key, on loopback alone'), readEverything),
      'in its arguments': steps(demanded('a path, and nothing else'), readArguments),
    },
  },
})

async function readEverything(lab: Lab): Promise<void> {
  const node = lab.site.node(lab.target.node)
  const { origin, hostname } = monitoringOf(lab)
  lab.demand(hostname.startsWith('127.'), `it tells about itself at ${hostname}, which others reach`)
  // Somebody is logged in meanwhile, of whom it could tell too much.
  const { from, node: to, action } = lab.target
  await lab.site.open(from, to, action, lab.good())
  const script = 'fetch(process.argv[1]).then((answer) => answer.text()).then((text) => process.stdout.write(text))'
  for (const page of pages) {
    const { stdout, code } = await node.exec(['node', '-e', script, `${origin}${page}`])
    lab.demand(code === 0, `${page} was not answered, so nothing is known of it`)
    const found = secretsIn(stdout, new KnownSecrets())
    lab.demand(found.length === 0, `${page} shows ${found.join(', ')}`)
  }
}

/** The URL at which the unit is asked whether it is ready is that of its monitoring. */
function monitoringOf({ plan, site, target }: Lab): URL {
  const unit = plan.nodes[target.node]!.units.find(({ name }) => name === target.unit)
  const { ready } = unit?.service ?? {}
  if (ready === undefined || !('http' in ready))
    throw new AttackWorks(`${target.name} is not asked in HTTP whether it is ready`)
  return new URL(rendered(site.site, site.node(target.node), ready.http.url, target.unit))
}

async function readArguments(lab: Lab): Promise<void> {
  const { node, unit } = lab.target
  const pid = pidOf(lab.site.site, node, unit)
  const { stdout } = await lab.site.node(node).exec(['cat', `/proc/${pid}/cmdline`])
  const [, ...args] = stdout.split('\0').filter((text) => text !== '')
  const isPath = args.length === 2 && args[0] === '--config' && args[1]!.startsWith('/')
  lab.demand(isPath, `it was started with ${args.join(' ')}`)
}
