import type { ScenarioSite } from '../site/scenario-site.ts'

// A site that is verified step by step, and whose steps are proven to be able to fail.

/** Gathers what does not hold. */
export class Checks {
  readonly problems: string[] = []
  /** For people: what was seen where all holds. */
  readonly told: string[] = []
  made = 0

  tell(...lines: readonly string[]): void {
    this.told.push(...lines)
  }

  /** `shown`: what of both is told, where that is less. */
  is<T>(what: string, found: T, expected: T, shown: (one: T) => unknown = (one) => one): void {
    this.made += 1
    if (JSON.stringify(found) === JSON.stringify(expected)) return
    const [is, must] = [found, expected].map((one) => JSON.stringify(shown(one)))
    this.problems.push(`${what} is ${is}, and must be ${must}`)
  }

  holds(what: string, isSo: boolean): void {
    this.made += 1
    if (!isSo) this.problems.push(what)
  }
}

export interface Step {
  /** Its number stands first: `T1 broker status`. */
  readonly name: string
  /** Numbers of those that it stands on: where one of them is red, it is not judged. */
  readonly on: readonly string[]
  /** `before`: what ran already when the verification began. */
  check(checks: Checks, site: ScenarioSite, before: Running): Promise<void>
}

/** Processes of services by `NODE/UNIT`: each start is another one. */
export type Running = ReadonlyMap<string, number>

/** The process that each service was started as last, or first. */
export function runningOn({ site }: Pick<ScenarioSite, 'site'>, start: 'last' | 'first' = 'last'): Running {
  const running = new Map<string, number>()
  for (const event of site.events()) {
    if (event.event !== 'unit-started' || event.pid === undefined) continue
    const unit = `${event.node}/${event.unit}`
    if (start === 'last' || !running.has(unit)) running.set(unit, event.pid)
  }
  return running
}

/** What turns one step red, and no other. */
export interface Defect {
  readonly what: string
  /** Name of the step. */
  readonly step: string
  /** What its step tells of it: red for anything else, the harness itself may be what is broken. */
  readonly found: RegExp
  /** A node without which there is nothing to plant it on, where only some variants of a topology have it. */
  readonly node?: string
  /** It takes a start of services to plant it: what runs after that is what ran before. */
  readonly restarts?: true
  /** Answers what puts it right again. */
  plant(site: ScenarioSite): Promise<() => Promise<unknown>>
}

/** What a topology is verified by. */
export interface Verifiable {
  readonly steps: readonly Step[]
  readonly defects: readonly Defect[]
}

export interface Verification {
  /** What each step that is green tells of what it saw, where it does. */
  readonly told: Readonly<Record<string, readonly string[]>>
  /** Of each step that was judged: how many checks were made. */
  readonly made: Readonly<Record<string, number>>
  /** Steps that are red, by name, each with what does not hold. */
  readonly red: Readonly<Record<string, readonly string[]>>
  /** Only where all is green: how many checks were made. */
  readonly marker?: string
}

/** All steps, in order; or those up to the first that is red. A step whose ground is red says nothing of its own. */
export async function verify(
  steps: readonly Step[],
  site: ScenarioSite,
  { before = runningOn(site), upToRed = false }: { before?: Running; upToRed?: boolean } = {},
): Promise<Verification> {
  const red: Record<string, readonly string[]> = {}
  const made: Record<string, number> = {}
  const told: Record<string, readonly string[]> = {}
  const without = new Set<string>()
  for (const { name, on, check } of steps) {
    if (on.some((ground) => without.has(ground))) {
      without.add(numberOf(name))
      continue
    }
    const checks = new Checks()
    await check(checks, site, before).catch((failure: Error) => checks.problems.push(failure.message))
    made[name] = checks.made
    if (checks.problems.length === 0) {
      told[name] = checks.told
      continue
    }
    red[name] = checks.problems
    without.add(numberOf(name))
    if (upToRed) break
  }
  if (without.size > 0) return { told, made, red }
  const counts = Object.entries(made).map(([name, count]) => `${numberOf(name)} ${count}`)
  return { told, made, red, marker: `verified by checks: ${counts.join(', ')}` }
}

export interface Planted extends Verification {
  /** What speaks against the defect having turned its step red, for that defect, that one alone, and only for so long; empty when nothing does. */
  readonly problems: readonly string[]
}

/** For what was stopped to come up again, and for whoever talks to it to notice. */
const AGAIN_WITHIN_MS = 20_000

/** Plants a defect, verifies, and puts things right again. */
export async function verifyPlanted(
  steps: readonly Step[],
  { what, step, found: expected, restarts, plant }: Defect,
  site: ScenarioSite,
): Promise<Planted> {
  const before = runningOn(site)
  const undo = await plant(site)
  const found = await verify(steps, site, { before: restarts ? runningOn(site) : before }).finally(undo)
  const own = found.red[step]
  const others = Object.keys(found.red).filter((name) => name !== step)
  // While something is coming up again, nobody asks what else holds.
  const isGreen = async () => (await verify(steps, site, { upToRed: true })).marker
  const again = await site
    .until(`all is green again after: ${what}`, isGreen, { withinMs: AGAIN_WITHIN_MS })
    .then(() => [])
    .catch((failure: Error) => [failure.message])
  return {
    ...found,
    problems: [
      ...(own === undefined ? [`${step} stayed green`] : []),
      ...(own?.some((problem) => expected.test(problem)) === false
        ? [`${step} is red for something else than ${expected}: ${own.join('; ')}`]
        : []),
      ...others.map((name) => `${name} is red, too: ${found.red[name]!.join('; ')}`),
      ...again,
    ],
  }
}

/** One step of the healthy site, or one defect. */
export interface VerifiedRow {
  readonly step: string
  /** What was planted. Left out: nothing. */
  readonly planted?: string
  /** How many checks its step made. */
  readonly checks: number
  /** What its step saw, where it holds and there is something to tell. */
  readonly told?: string
  /** What its step found. */
  readonly found: readonly string[]
  readonly asExpected: boolean
  readonly problems: readonly string[]
}

/** First all steps as they are; then, where all hold, each defect, which must turn exactly its step red. */
export async function verifiedRows(
  { steps, defects }: Verifiable,
  site: ScenarioSite,
  tell: (row: VerifiedRow) => void = () => {},
): Promise<VerifiedRow[]> {
  // Nobody but the start of the site has started anything yet.
  const { told, made, red, marker } = await verify(steps, site, { before: runningOn(site, 'first') })
  const healthy = steps.map(({ name, on }): VerifiedRow => {
    const found = made[name] === undefined ? [`not judged: it stands on ${on.join(' and ')}`] : (red[name] ?? [])
    const seen = told[name]?.join(' ')
    const row = { step: name, checks: made[name] ?? 0, found, problems: found, asExpected: found.length === 0 }
    return { ...row, ...(seen && { told: seen }) }
  })
  healthy.forEach(tell)
  if (marker === undefined) return healthy
  const planted: VerifiedRow[] = []
  for (const defect of defects.filter(({ node }) => node === undefined || site.plan.nodes[node] !== undefined)) {
    const row = rowOf(defect, await verifyPlanted(steps, defect, site))
    tell(row)
    planted.push(row)
  }
  return [...healthy, ...planted]
}

function rowOf({ step, what }: Defect, { made, red, problems }: Planted): VerifiedRow {
  const found = red[step] ?? []
  return { step, planted: what, checks: made[step] ?? 0, found, problems, asExpected: problems.length === 0 }
}

function numberOf(step: string): string {
  return step.split(' ')[0]!
}
