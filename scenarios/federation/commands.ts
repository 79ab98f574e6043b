import { expect, type ScenarioFixtures } from 'holdfast/vitest'
import { type Federation, places } from './federation.ts'

// Commands that are run beside a gateway, on its node, and what becomes of one that is killed half-way.

type Site = ScenarioFixtures['site']
type Ran = Awaited<ReturnType<ReturnType<Site['node']>['exec']>>
type Session = Pick<Awaited<ReturnType<Federation['database']>>, 'query'>

/** `gateway …`, with the configuration of a gateway or another one that lies there. */
export function gatewayCommand(
  { site }: Federation,
  letter: string,
  words: readonly string[],
  { config = places.configuration, env = {} }: { config?: string; env?: Record<string, string> } = {},
): Promise<Ran> {
  return site.node(`gateway-${letter}`).exec(['service:federation-gateway', '--config', config, ...words], { env })
}

/** The one JSON value of a command that was done. */
export async function doneBy<Value>(ran: Promise<Ran>): Promise<Value> {
  const { code, stdout, stderr } = await ran
  if (code !== 0) throw new Error(`gateway ended with ${code}: ${stderr}${stdout}`)
  return JSON.parse(stdout) as Value
}

/** Whoever has this word among its variables. */
const killWhoeverHas = 'grep -lsF -f - /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do kill -9 "$pid"; done'

/** Begins a command, and kills it once it waits for what this session holds. */
export async function killHalfWay(
  federation: Federation,
  letter: string,
  words: readonly string[],
  holder: Session,
): Promise<void> {
  const { site } = federation
  const word = crypto.randomUUID()
  const running = gatewayCommand(federation, letter, words, { env: { TO_BE_KILLED: word } })
  await site.until(`${words.join(' ')} to be half-way`, () => isWaitedFor(holder), { withinMs: 20_000 })
  await site.node(`gateway-${letter}`).exec(['sh', '-c', killWhoeverHas], { input: word })
  expect(await running).toMatchObject({ code: null, signal: 'SIGKILL', stdout: '' })
}

/** Whether anybody waits for what this session holds. */
export async function isWaitedFor(holder: Session): Promise<boolean> {
  const text = 'SELECT pid FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))'
  return (await holder.query(text)).length > 0
}
