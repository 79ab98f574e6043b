import {
  type CredentialFixture,
  expect,
  type OperatorClient,
  type ScenarioSite,
  scenario,
  until,
} from 'holdfast/vitest'

const test = scenario('shared-auth', { waits: true })
const most = 1_000
const atOnce = 20

interface Listed {
  jti: string
  sub: string
  state: string
  sans: string[]
}

test('1 000 tokens of two subjects, three certificates and all states', { timeout: 180_000 }, async ({
  site,
  credential,
}) => {
  const operator = await site.keptOperator('auth', 4)
  const before = new Set((await all(operator, '')).map(({ jti }) => jti))
  const thumbprints = await holders(site, credential)
  const minted = await mintAll(site, operator, thumbprints)
  const revoked = minted.filter((_, at) => at % 10 === 1)
  for (const { jti } of revoked) await operator.post('/operator/v1/tokens/revoke', { jti })
  const isNew = ({ jti }: Listed) => !before.has(jti)
  const listed = async (filter: string) => (await all(operator, filter)).filter(isNew).map(({ jti }) => jti)
  const jtis = (of: Minted[]) => of.map(({ jti }) => jti).toSorted()

  // Shared out by index: subject, certificate and life differ in step.
  for (const subject of ['node-a', 'node-b']) {
    const expected = jtis(minted.filter((token) => token.subject === subject))
    expect((await listed(`subject=${subject}`)).toSorted()).toEqual(expected)
    const { host } = site.node(subject)
    expect((await listed(`san=${host.toUpperCase()}`)).toSorted()).toEqual(expected)
  }
  for (const { x5t } of thumbprints) {
    expect((await listed(`x5t=${x5t}`)).toSorted()).toEqual(jtis(minted.filter((token) => token.x5t === x5t)))
  }
  for (const filter of ['subject=node', 'subject=nobody', 'san=*', 'san=somebiz.local.io', `x5t=${'A'.repeat(43)}`]) {
    expect(await listed(filter), filter).toEqual([])
  }

  const ended = minted.filter(({ expiresIn }) => expiresIn === 30).filter((token) => !revoked.includes(token))
  await until(
    'the short-lived ones have expired',
    async () => (await listed('state=expired')).length >= ended.length && true,
    { withinMs: 45_000, everyMs: 500 },
  )
  expect((await listed('state=expired')).filter((jti) => !jtis(revoked).includes(jti)).toSorted()).toEqual(jtis(ended))
  const gone = new Set([...jtis(revoked), ...jtis(ended)])
  expect((await listed('state=active')).toSorted()).toEqual(jtis(minted).filter((jti) => !gone.has(jti)))
})

interface Minted {
  jti: string
  subject: string
  x5t: string
  expiresIn: number
}

/** Two certificates of node-a and one of node-b, each proven. */
async function holders(site: ScenarioSite, credential: CredentialFixture) {
  const proven: { subject: string; x5t: string }[] = []
  for (const [subject, certificate] of [
    ['node-a', credential('cert-node-a')],
    ['node-a', credential.anew('cert-node-a')],
    ['node-b', credential('cert-node-b')],
  ] as const) {
    const json = { client_id: subject }
    expect(await site.call(subject, 'auth', 'holder:prove', certificate, { json })).toBeAccepted()
    proven.push({ subject, x5t: await certificate.thumbprint() })
  }
  return proven
}

async function mintAll(
  site: ScenarioSite,
  operator: OperatorClient,
  proven: readonly { subject: string; x5t: string }[],
): Promise<Minted[]> {
  const mint = async (index: number): Promise<Minted> => {
    const { subject, x5t } = proven[index % proven.length]!
    const expiresIn = index < 50 ? 30 : 600
    const order = { clientId: subject, resource: `https://${site.node(subject).host}`, expiresIn, 'x5t#S256': x5t }
    const { status, json } = await operator.post('/operator/v1/tokens', order)
    expect(status).toBe(201)
    return { jti: (json as { jti: string }).jti, subject, x5t, expiresIn }
  }
  const minted: Minted[] = []
  for (let index = 0; index < most; index += atOnce) {
    minted.push(...(await Promise.all(Array.from({ length: atOnce }, (_, next) => mint(index + next)))))
  }
  return minted
}

/** Every page of a list; none holds the text of a token. */
async function all(operator: OperatorClient, filter: string): Promise<Listed[]> {
  const found: Listed[] = []
  for (let cursor = ''; ; ) {
    const answer = await operator.get(`/operator/v1/tokens?limit=97&${filter}${cursor}`)
    expect(answer.status).toBe(200)
    expect(answer.body).not.toMatch(/eyJ[\w-]+\./)
    const page = answer.json as { tokens: Listed[]; cursor?: string }
    found.push(...page.tokens)
    if (page.cursor === undefined) break
    cursor = `&cursor=${page.cursor}`
  }
  expect(new Set(found.map(({ jti }) => jti)).size).toBe(found.length)
  return found
}
