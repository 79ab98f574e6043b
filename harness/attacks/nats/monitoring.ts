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
  ...['/jsz?accounts=1&streams=1&consumers=1&config=1', '/gatewayz', '/routez', '/leafz', '/debug/vars'],
]

/** Its memory and its arguments would be there, were it asked to show them. */
const profile = '/debug/pprof/cmdline'
const isMissing = 404

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
  const { origin, port } = monitoringOf(lab)
  const open = listening(await tablesOf(lab), Number(port))
  lab.demand(open.length > 0, `nobody listens at port ${port}, so nothing is known of it`)
  const reached = open.filter((address) => !isLoopback(address))
  lab.demand(reached.length === 0, `it tells about itself at ${reached.join(', ')}, which others reach`)
  // Somebody is logged in meanwhile, of whom it could tell too much.
  const { from, node: to, action } = lab.target
  await lab.site.open(from, to, action, lab.good())
  // One program for all pages: to start it takes longer than to ask.
  const { stdout, stderr } = await node.exec(['node', '--input-type=module', '-e', askAll, origin, profile, ...pages])
  lab.demand(stdout !== '', `it was not asked, so nothing is known of it: ${stderr}`)
  const answers = JSON.parse(stdout) as Readonly<Record<string, Page>>
  lab.demand(answers[profile]?.status === isMissing, `${profile} is there, or was not asked for`)
  for (const page of pages) {
    const { status, text } = answers[page] ?? {}
    lab.demand(status === 200 && text !== undefined, `${page} was not answered, so nothing is known of it`)
    const found = secretsIn(text ?? '', new KnownSecrets())
    lab.demand(found.length === 0, `${page} shows ${found.join(', ')}`)
  }
}

interface Page {
  readonly status: number
  readonly text: string
}

/** Asks for each page, and tells what was answered. */
const askAll = `
  const [origin, ...pages] = process.argv.slice(1)
  const answers = {}
  for (const page of pages) {
    const answer = await fetch(origin + page)
    answers[page] = { status: answer.status, text: await answer.text() }
  }
  process.stdout.write(JSON.stringify(answers))`

/** Tables of the sockets of its host, as its system keeps them: its own configuration is not asked. */
async function tablesOf({ site, target: { node, unit } }: Lab): Promise<string> {
  const pid = pidOf(site.site, node, unit)
  const { stdout } = await site.node(node).exec(['cat', `/proc/${pid}/net/tcp`, `/proc/${pid}/net/tcp6`])
  return stdout
}

/** Addresses, in hexadecimal digits, at which somebody listens at that port: `0100007F` is 127.0.0.1 (proc_pid_net(5)). */
export function listening(tables: string, port: number): string[] {
  const isOpen = '0A'
  return tables.split('\n').flatMap((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/)
    const [address = '', at = ''] = local.split(':')
    return state === isOpen && Number.parseInt(at, 16) === port ? [address] : []
  })
}

/** Each word of an address stands the other way round there: 127.0.0.0/8, ::1, and the former as a part of IPv6. */
export function isLoopback(address: string): boolean {
  return /^(.{6}7F|0{24}01000000|0{16}FFFF0000.{6}7F)$/.test(address)
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
