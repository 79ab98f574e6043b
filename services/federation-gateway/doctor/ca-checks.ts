import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { type CallAnswer, CallFailed, call, createCallAgent } from '../calls/https-call.ts'
import { isJson, jsonOf } from '../calls/json.ts'
import { LARGEST_LIST } from '../certificates/crl.ts'
import { CrlKeeper } from '../certificates/crl-keeper.ts'
import { issuingCas, startCa, startProvisioner, startTls } from '../start/guards.ts'
import { rootPin } from '../storage/settings.ts'
import { type Examined, mistakeBy } from './examined.ts'
import { type Finding, fail, failAs, notMade, ok, warn } from './finding.ts'

const LARGEST = 1024 * 1024
/** Clocks may be so far apart: certificates begin a minute before they are made. */
const MOST_SKEW_MS = 60_000
/** `Date` counts whole seconds. */
const RESOLUTION_MS = 1_000
/** Of provisioners, with a hundred on each. */
const MOST_PAGES = 20

const SEE_CA = 'see that the CA runs and that STEP_CA_URL is right'

/** Asks the CA, which proves itself by the pinned root alone. @throws CallFailed */
async function ask(examined: Examined, url: string, largest = LARGEST): Promise<CallAnswer> {
  const { withinMs, start } = examined
  const agent = createCallAgent({
    ca: [String(start!.ca!.root)],
    minVersion: 'TLSv1.2',
    maxSockets: 1,
    keepAlive: false,
  })
  try {
    const headers = { accept: 'application/json' }
    return await call({ agent, method: 'GET', url, headers, largest, connectMs: withinMs, deadlineMs: withinMs })
  } finally {
    agent.destroy()
  }
}

/** Whether it can be reached, and is who it should be. */
export async function caHttps(examined: Examined): Promise<Finding> {
  const mistake = await mistakeBy(startCa, examined.start!)
  if (mistake?.failure.reason === 'ca_url') return mistake.finding
  if (examined.start!.ca === undefined)
    return notMade('there is no root by which the CA could prove itself: see ca.pin')
  const { url, fingerprint } = examined.start!.ca
  try {
    const answer = await ask(examined, `${url}/health`)
    const told = Date.parse(answer.headers.date ?? '')
    if (!Number.isNaN(told)) examined.caDate = { told, at: examined.now() }
    examined.caHealth = answer
    return ok(`${url} proves itself by the root ${fingerprint}`)
  } catch (failure) {
    if (!(failure instanceof CallFailed)) throw failure
    const remedy =
      failure.kind === 'untrusted'
        ? 'put the root of this CA into STEP_CA_ROOT_CERT_PATH, or correct STEP_CA_URL'
        : SEE_CA
    return fail(`the CA at ${failure.message}`, remedy)
  }
}

/** The root in the file is the one in the configuration, and the one that the first start has recorded. */
export async function caPin(examined: Examined): Promise<Finding> {
  const mistake = await mistakeBy(startCa, examined.start!)
  if (mistake !== undefined && mistake.failure.reason !== 'ca_url') return mistake.finding
  const { ca, configuration } = examined.start!
  if (ca === undefined) return notMade('stepCa.url is wrong: see ca.https')
  const missing = examined.missing(['postgres.connect', 'postgres.migrations', 'postgres.roles'])
  const isPinned = configuration.stepCa.rootFingerprint !== undefined
  const configured = isPinned ? 'the configured pin' : 'no configured pin'
  if (missing !== undefined)
    return ok(`the root is ${ca.fingerprint}, by ${configured}; the recorded one is not known: see ${missing}`)
  const recorded = await rootPin(examined.app)
  if (recorded === undefined)
    return ok(`the root is ${ca.fingerprint}, by ${configured}; none is recorded before the first start`)
  if (recorded === ca.fingerprint) return ok(`the root is ${ca.fingerprint}, as configured and recorded`)
  return fail(
    `${configuration.stepCa.rootCertPath} is the root ${ca.fingerprint}, and ${recorded} is recorded`,
    'put back the right file, or run gateway ca repin if the CA has a new root',
  )
}

const healthy = z.object({ status: z.literal('ok') })

export function caHealth({ caHealth: answer }: Examined): Finding {
  if (answer === undefined) return notMade('it did not answer')
  const isWell = answer.status === 200 && isJson(answer) && healthy.safeParse(jsonOf(answer.body)).success
  return isWell
    ? ok('it says that it is well')
    : fail(`it answers ${answer.status} and does not say that it is well`, 'see its log')
}

const page = z.object({
  provisioners: z.array(
    z.looseObject({
      type: z.string(),
      name: z.string(),
      key: z.looseObject({ kid: z.string().optional() }).optional(),
      claims: z.looseObject({ disableRenewal: z.boolean().optional() }).nullish(),
    }),
  ),
  nextCursor: z.string().optional(),
})
type Provisioner = z.output<typeof page>['provisioners'][number]

/** Our key is that of a provisioner which the CA has. */
export async function caProvisioner(examined: Examined): Promise<Finding> {
  const { start } = examined
  const mistake = await mistakeBy(startProvisioner, start!)
  if (mistake !== undefined) return mistake.finding
  const name = start!.configuration.stepCa.provisionerName
  const kid = start!.provisionerKey?.kid
  if (kid === undefined) return fail('there is no key of the provisioner', 'give STEP_CA_PROVISIONER_KEY_FILE')
  const missing = examined.missing(['ca.https'])
  if (missing !== undefined) return notMade(`the key is good; the CA could not be asked: see ${missing}`)
  const all = await provisionersOf(examined)
  if (!Array.isArray(all)) return all
  const named = all.filter((one) => one.name === name)
  const [found] = named
  if (found === undefined) {
    return fail(`the CA has no provisioner ${name}`, 'correct STEP_CA_PROVISIONER_NAME, or add it to the CA')
  }
  if (found.type !== 'JWK' || !named.some(({ key }) => key?.kid === kid)) {
    const remedy = 'give the key of this provisioner, or tell the CA of this one'
    return fail(`the provisioner ${name} of the CA has another key than ${kid}`, remedy)
  }
  const issued = examined.deps.isDeep === true ? await (await import('./probe.ts')).issueProbe(start!) : undefined
  if (issued?.status === 'fail') return issued
  if (found.claims?.disableRenewal === true) {
    return ok(`the CA has ${name} with key ${kid}${issued === undefined ? '' : `; ${issued.detail}`}`)
  }
  const remedy = 'set disableRenewal in the claims of the provisioner'
  return warn(`the CA renews certificates of ${name} by itself, without a look at their grants`, remedy)
}

async function provisionersOf(examined: Examined): Promise<Provisioner[] | Finding> {
  const found: Provisioner[] = []
  let cursor = ''
  for (let pages = 0; pages < MOST_PAGES; pages += 1) {
    const query = new URLSearchParams({ limit: '100', ...(cursor !== '' && { cursor }) })
    try {
      const answer = await ask(examined, `${examined.start!.ca!.url}/provisioners?${query}`)
      const read = page.safeParse(answer.status === 200 && isJson(answer) ? jsonOf(answer.body) : undefined)
      if (!read.success)
        return fail(`the CA answers ${answer.status} and no list of its provisioners`, 'see that it is a step-ca')
      found.push(...read.data.provisioners)
      cursor = read.data.nextCursor ?? ''
    } catch (failure) {
      if (!(failure instanceof CallFailed)) throw failure
      return fail(`the CA at ${failure.message}`, SEE_CA)
    }
    if (cursor === '') break
  }
  return found
}

export function caClock({ caDate }: Examined): Finding {
  if (caDate === undefined) return notMade('the CA has not told its time')
  const behindMs = caDate.at - caDate.told
  // It told a whole second, and that a moment ago.
  const skewMs = behindMs < 0 ? -behindMs : Math.max(0, behindMs - RESOLUTION_MS)
  const text = `the clock of the CA is ${Math.round(skewMs / 1000)} s ${behindMs < 0 ? 'ahead' : 'behind'}`
  if (skewMs <= MOST_SKEW_MS / 2) return ok(skewMs === 0 ? 'the clock of the CA is right' : text)
  const remedy = 'set the clocks of this machine and of the CA by NTP'
  if (skewMs <= MOST_SKEW_MS) return warn(text, remedy)
  return fail(`${text}: certificates are refused as not yet valid, or as expired`, remedy)
}

/** Both lists of revoked certificates could be used now. */
export async function caCrl(examined: Examined): Promise<Finding> {
  const { start } = examined
  const missing = examined.missing(['ca.https', 'ca.pin'])
  if (missing !== undefined) return notMade(`see ${missing}`)
  if ((await mistakeBy(startTls, start!)) !== undefined && start!.material === undefined)
    return notMade('see tls.server-certificate')
  const { crl } = start!.configuration
  const { root, url } = start!.ca!
  const distributionPoint = crl.url ?? `${url}/1.0/crl`
  let problem = ''
  const keep = (_: string, fields: Readonly<Record<string, unknown>> = {}) => {
    problem = String(fields.message)
  }
  const keeper = new CrlKeeper({
    source: {
      list: () => fetchList(examined, distributionPoint),
      rootList: async () => readRootList(crl.rootCrlFile!),
      issuers: async () => issuingCas(start!, examined.now()),
    },
    ...{ root, distributionPoint, refreshMs: 1_000, now: () => examined.now(), onLoaded: () => {} },
    log: { info: () => {}, warn: keep, error: keep },
  })
  await keeper.refresh()
  const { current } = keeper
  if (current === undefined) {
    return failAs(
      problem.replace('; the last good one stays in use until it ends', ''),
      'see that the CA makes its list (crl.enabled), and that crl.rootCrlFile is of its root and fresh',
    )
  }
  const { nextUpdate, number } = current.issuing
  return ok(`number ${number}, ${current.serials.size} revoked, good until ${nextUpdate.toISOString()}`)
}

async function fetchList(examined: Examined, url: string): Promise<Buffer> {
  const { status, body } = await ask(examined, url, LARGEST_LIST)
  if (status === 200) return body
  throw new Error(`${url} answers ${status} and no list of revoked certificates`)
}

function readRootList(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new Error(`${file}, the list of the root, cannot be read (${(cause as NodeJS.ErrnoException).code})`)
  }
}
