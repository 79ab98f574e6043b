import { type CredentialFixture, credentialOf, expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('nats-orchestrator')

/** Who says and hears something, and the node that they are on: host and orchestrator in WORKLOAD, the administrator in ADMIN. */
const people = {
  host: ['host-1', 'creds-host-1'],
  orchestrator: ['orchestrator', 'creds-orchestrator'],
  admin: ['orchestrator', 'creds-admin'],
} as const
type Person = keyof typeof people

interface Place {
  readonly site: ScenarioSite
  readonly credential: CredentialFixture
}

function say({ site, credential }: Place, who: Person, publish: string) {
  const [node, creds] = people[who]
  return site.call(node, 'nats-1', 'nats:connect', credential(creds), { does: { publish } })
}

/** Listens to these subjects; answers what was heard when the last message has come. */
async function listening({ site, credential }: Place, who: Person, ...subjects: readonly string[]) {
  const [node, creds] = people[who]
  const { inbox } = credentialOf(site.plan, 'nats-creds', creds)
  const { session } = await site.open(node, 'nats-1', 'nats:connect', credential(creds))
  const heard = () => session.frames.map(({ subject }) => String(subject))
  const hears = (last: string) => site.until(`${who} hears ${last}`, () => heard().includes(last), { withinMs: 5_000 })
  for (const [at, subscribe] of [...subjects, `${inbox}.>`].entries()) session.send({ subscribe, sid: at + 10 })
  // The broker answers what comes after a subscription when it has that.
  session.send({ publish: '$SYS.REQ.USER.INFO', reply: `${inbox}.ready` })
  await hears(`${inbox}.ready`)
  return async (last: string) => {
    await hears(last)
    return heard()
  }
}

test.for<[subject: string]>([['INVENTORY.host-1.note'], ['WORKLOAD.host-1.status']])(
  '%s, which a host says in WORKLOAD, is heard in ADMIN',
  async ([subject], { site, credential }) => {
    const place = { site, credential }
    const heard = await listening(place, 'admin', 'INVENTORY.>', 'WORKLOAD.>')

    expect(await say(place, 'host', subject)).toBeAccepted()

    expect(await heard(subject)).toContain(subject)
  },
)

test('a command that is said in ADMIN is in the stream of WORKLOAD', async ({ site, credential }) => {
  const lastSeq = async () => {
    const { json } = await site.operator('orchestrator').get('/v1/state')
    return (json as { messaging: { stream: { lastSeq: number } } }).messaging.stream.lastSeq
  }
  const before = await lastSeq()

  expect(await say({ site, credential }, 'admin', 'WORKLOAD.host-1.cmd.x')).toBeAccepted()

  await site.until('it is in the stream', async () => (await lastSeq()) === before + 1, { withinMs: 5_000 })
})

test('a command that is said in WORKLOAD is not heard in ADMIN', async ({ site, credential }) => {
  const place = { site, credential }
  const heard = await listening(place, 'admin', 'WORKLOAD.>')

  expect(await say(place, 'orchestrator', 'WORKLOAD.host-1.cmd.x')).toBeAccepted()
  expect(await say(place, 'host', 'WORKLOAD.host-1.status')).toBeAccepted()

  expect(await heard('WORKLOAD.host-1.status')).not.toContain('WORKLOAD.host-1.cmd.x')
})

test('what ADMIN says of hosts is heard there, and not in WORKLOAD', async ({ site, credential }) => {
  const place = { site, credential }
  const said = ['INVENTORY.host-2.note', 'WORKLOAD.host-2.status']
  const inWorkload = await listening(place, 'orchestrator', 'INVENTORY.>', 'WORKLOAD.*.status')
  const inAdmin = await listening(place, 'admin', 'INVENTORY.>', 'WORKLOAD.>')

  for (const subject of said) expect(await say(place, 'admin', subject)).toBeAccepted()
  expect(await say(place, 'host', 'INVENTORY.host-1.end')).toBeAccepted()

  expect(await inAdmin('INVENTORY.host-1.end')).toEqual(expect.arrayContaining(said))
  const heard = await inWorkload('INVENTORY.host-1.end')
  expect(heard.filter((subject) => said.includes(subject))).toEqual([])
})

test.for<[Person, string]>([
  ['orchestrator', 'ADMIN.>'],
  ['host', 'ADMIN.>'],
  ['orchestrator', '$SYS.>'],
  ['admin', '$SYS.>'],
  ['admin', '_INBOX.orchestrator.>'],
  ['orchestrator', '_INBOX.admin.>'],
])('%s cannot hear %s', async ([who, subscribe], { site, credential }) => {
  const [node, creds] = people[who]
  const verdict = await site.call(node, 'nats-1', 'nats:connect', credential(creds), { does: { subscribe } })

  expect(verdict).toBeRefused({
    ...{ error: 'Permissions Violation', guard: 'broker.permission', reason: 'nats_subscribe_denied' },
  })
})
