import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { refOf } from '../bearer-node/token/ref.ts'
import { until } from '../shared/testing/service-process.ts'
import { type Lab, type LabNode, makeLab, TOKENS } from './testing/lab.ts'

// Against real nodes, one after the other: each leaves a cluster of three that has a leader and one token.

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const node = process.execPath
const stage = (name: string, code: string) => ({ name, argv: [node, '-e', code], timeoutMs: 60_000, needs: [] })
const object = { type: 'object' }

let lab: Lab
let [one, two, three]: LabNode[] = []
beforeAll(async () => {
  lab = await makeLab({
    quick: {
      params: { type: 'object', properties: { n: { type: 'integer', minimum: 1 } }, additionalProperties: false },
      stages: [stage('say', 'console.log(JSON.stringify({ n: Number(process.env.HOLDFAST_PARAM_N) }))')],
    },
    broken: { params: object, stages: [stage('break', 'process.exit(3)')] },
    endless: { params: object, stages: [stage('wait', 'setInterval(() => {}, 1000)')] },
  })
  ;[one, two, three] = lab.nodes
  await Promise.all(lab.nodes.map((each) => each.start()))
  await led()
})
afterAll(() => lab?.[Symbol.asyncDispose]())

/** Resolves once every node says the same leader, and sees all others well. */
async function led(): Promise<string> {
  let leader = ''
  let last = ''
  const isLed = async () => {
    const { code, stdout, stderr } = await lab.p2p(one!, ['nodes', '--json'])
    last = `${code} ${stdout} ${stderr}`
    if (code !== 0) return false
    const { nodes } = JSON.parse(stdout) as { nodes: { status: { leader: string; peers: { peerAuth: string }[] } }[] }
    leader = nodes[0]!.status.leader
    return nodes.every(
      ({ status }) => status.leader === leader && status.peers.every(({ peerAuth }) => peerAuth === 'ok'),
    )
  }
  await until(isLed, 'a leader of all', 60_000, 500).catch((failure) => {
    throw new Error(`${failure.message}; last: ${last}`)
  })
  return leader
}

describe('pipelines', () => {
  test('run at each of three nodes, and each says the same of the run', async () => {
    const ran = await Promise.all(
      lab.nodes.map((at) =>
        lab.p2p(at, [
          'pipeline',
          '--backend',
          'p2p',
          'run',
          'canonical_selfplay',
          '--param',
          'games=20',
          '--wait',
          '--json',
        ]),
      ),
    )
    expect(ran.map(({ code }) => code)).toEqual([0, 0, 0])
    const runs = ran.map(
      ({ stdout }) => JSON.parse(stdout) as { runId: string; state: string; stages: { state: string }[] },
    )
    expect(new Set(runs.map(({ runId }) => runId)).size).toBe(3)
    for (const { state, stages } of runs) {
      expect(state).toBe('succeeded')
      expect(stages.map((each) => each.state)).toEqual(['succeeded', 'succeeded', 'succeeded'])
    }
    for (const { stderr } of ran)
      expect(stderr).toMatch(/^run \S+ is queued: leader orc-\d, epoch \d+\n[\s\S]*succeeded/)

    const outputs = await Promise.all(
      runs.map(async ({ runId }, at) =>
        JSON.parse((await lab.p2p(lab.nodes[(at + 1) % 3]!, ['pipeline', 'output', runId, '--json'])).stdout),
      ),
    )
    expect(outputs.map(({ params }) => params.games)).toEqual([20, 20, 20])
    expect(outputs[1].outputs).toEqual(outputs[0].outputs)
    const listed = await lab.p2p(two!, ['pipeline', 'list'])
    expect(listed.stdout).toMatch(/^RUN +PIPELINE +STATE +CREATED +ENDED\n/)
    for (const { runId } of runs)
      expect(listed.stdout).toMatch(new RegExp(`^${runId} +canonical_selfplay +succeeded `, 'm'))
  })

  test('that do not succeed are exit code 1 for who waits, and 0 for who looks', async () => {
    const failed = await lab.p2p(two!, ['pipeline', 'run', 'broken', '--wait'])
    expect(failed).toMatchObject({ code: 1, stdout: expect.stringMatching(/^state +failed/m) })
    const [, id = ''] = /^run +(\S+)$/m.exec(failed.stdout) ?? []
    const looked = await lab.p2p(three!, ['pipeline', 'status', id])
    expect(looked).toMatchObject({ code: 0, stderr: '', stdout: failed.stdout })
    expect((await lab.p2p(three!, ['pipeline', 'status', id, '--wait'])).code).toBe(1)
  })

  test('are cancelled, and go on where nobody waits longer', async () => {
    const late = await lab.p2p(one!, ['pipeline', 'run', 'endless', '--wait', '--wait-s', '1'])
    expect(late).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining('p2p: run_not_ended: ') })
    const [, id = ''] = /p2p pipeline status (\S+) --wait/.exec(late.stderr) ?? []
    expect((await lab.p2p(two!, ['pipeline', 'status', id])).stdout).toMatch(/^state +running$/m)

    expect(await lab.p2p(two!, ['pipeline', 'cancel', id])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^state +cancelled$/m),
    })
    expect((await lab.p2p(three!, ['pipeline', 'status', id, '--wait'])).code).toBe(1)
  })

  test('have parameters that the cluster judges', async () => {
    const [good, bad, none, described] = await Promise.all([
      lab.p2p(one!, ['pipeline', 'run', 'quick', '--param', 'n=7', '--wait', '--json']),
      lab.p2p(two!, ['pipeline', 'run', 'quick', '--param', 'n=0']),
      lab.p2p(three!, ['pipeline', 'run', 'nothing']),
      lab.p2p(three!, ['pipeline', 'describe']),
    ])
    expect(good.code).toBe(0)
    expect(bad).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringMatching(/^p2p: invalid_params: .*422.*minimum/),
    })
    expect(none).toMatchObject({ code: 3, stdout: '', stderr: expect.stringMatching(/^p2p: pipeline_unknown: /) })
    expect(described.stdout).toContain('"minimum": 1')
  })

  test('of one key are one run, whichever node is asked; another order by that key is refused', async () => {
    const key = `key-${Date.now()}-of-a-test`
    const order = (at: LabNode, n: number) =>
      lab.p2p(at, ['pipeline', 'run', 'quick', '--param', `n=${n}`, '--idempotency-key', key, '--json'])
    const [first, second] = await Promise.all([order(two!, 1), order(three!, 1)])
    expect([first.code, second.code]).toEqual([0, 0])
    expect(JSON.parse(first.stdout).runId).toBe(JSON.parse(second.stdout).runId)
    expect(await order(one!, 2)).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/^p2p: idempotency_conflict: /),
    })
  })
})

describe('nodes', () => {
  test('agree: each is shown with its role', async () => {
    const { code, stdout, stderr } = await lab.p2p(two!, ['nodes'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const lines = stdout.trim().split('\n')
    expect(lines).toHaveLength(4)
    expect(lines[0]).toMatch(/^NODE +URL +ROLE +LEADER +EPOCH +SEES$/)
    expect(lines.filter((line) => / leading /.test(line))).toHaveLength(1)
    expect(lines.slice(1).every((line) => / orc-\d ok, orc-\d ok$/.test(line))).toBe(true)
  })

  test('hand over the lead', async () => {
    const before = await led()
    const next = lab.nodes.find(({ id }) => id !== before)!
    expect(await lab.p2p(one!, ['leader', '--transfer-to', next.id])).toMatchObject({ code: 0 })
    await until(async () => (await led()) === next.id, 'the other leader', 30_000, 500)
    expect(await lab.p2p(three!, ['leader'])).toMatchObject({ code: 0, stdout: expect.stringContaining(next.url) })
    expect(await lab.p2p(three!, ['leader', '--transfer-to', 'orc-9'])).toMatchObject({ code: 3 })
  })

  test('that have another token are shown from both sides, and it is exit code 3', async () => {
    await led()
    await two!.stop()
    writeFileSync(two!.tokenFile, `${TOKENS.foreign}\n`)
    await two!.start()
    try {
      let last = await lab.p2p(one!, ['nodes'])
      const isTold = async () => {
        last = await lab.p2p(one!, ['nodes'])
        return (
          /^! orc-2 refuses the token of orc-1$/m.test(last.stdout) &&
          /^! orc-[13] refuses the token of orc-2$/m.test(last.stdout)
        )
      }
      await until(isTold, 'both sides', 30_000, 500).catch((failure) => {
        throw new Error(`${failure.message}; last: ${last.stdout}`)
      })
      expect(last.code).toBe(3)
      expect(last.stdout).toContain('! orc-2 refuses the token of this command')
      const checked = await lab.p2p(one!, ['token', 'check'])
      expect(checked).toMatchObject({ code: 3, stdout: expect.stringMatching(/^orc-2 .* invalid_token$/m) })
      // The rest has its majority.
      expect((await lab.p2p(three!, ['pipeline', 'run', 'quick', '--param', 'n=1', '--wait'])).code).toBe(0)
      // As the one that disagrees, everybody else does.
      const other = await lab.p2p(two!, ['nodes'], { tokenFile: two!.tokenFile })
      expect(other.code).toBe(3)
    } finally {
      await two!.stop()
      writeFileSync(two!.tokenFile, `${TOKENS.old}\n`)
      await two!.start()
      await led()
    }
  })
})

describe('a token roll', () => {
  const check = async (...args: string[]) => {
    const { code, stdout } = await lab.p2p(three!, ['token', 'check', '--json', ...args])
    const { step, on, refused } = JSON.parse(stdout) as { step: string; on: string[]; refused: unknown[] }
    return { code, step, on: on.join(' '), refused }
  }
  /** A step on one node, and until it is in force there. */
  const step = async (at: LabNode, ...args: string[]) => {
    const ran = await at.command(['token', 'roll', ...args])
    expect(ran).toMatchObject({ code: 0, stderr: '' })
    const { sends, accepts } = JSON.parse(ran.stdout) as { sends: string; accepts: { ref: string }[] }
    const wanted = `${sends} ${accepts.map(({ ref }) => ref)}`
    const isInForce = async () => {
      const { stdout } = await lab.p2p(at, ['token', 'check', '--json'])
      const { nodes } = JSON.parse(stdout || '{"nodes":[]}') as {
        nodes: { id: string; sends: string; accepts: { ref: string }[] }[]
      }
      const own = nodes.find(({ id }) => id === at.id)
      return own?.accepts !== undefined && `${own.sends} ${own.accepts.map(({ ref }) => ref)}` === wanted
    }
    await until(isInForce, `${args[0]} on ${at.id}`, 15_000, 300)
  }

  test('is led by the check: it says each step, where it is still to be taken, and what would go wrong', async () => {
    await led()
    const file = lab.putToken('new-token', TOKENS.new)
    const next = ['--new-token-file', file]
    const good = { code: 0, refused: [] }
    expect(await check(...next)).toEqual({ ...good, step: 'begin', on: 'orc-1 orc-2 orc-3' })

    await step(one!, 'begin', ...next)
    expect(await check(...next)).toEqual({ ...good, step: 'begin', on: 'orc-2 orc-3' })
    // Too early: what orc-1 sends now, the others do not accept.
    await step(one!, 'switch')
    expect(await check(...next)).toEqual({
      ...{ code: 3, step: 'begin', on: 'orc-2 orc-3' },
      refused: ['orc-2', 'orc-3'].map((receiver) => ({ sender: 'orc-1', receiver, ref: refOf(TOKENS.new) })),
    })
    await step(two!, 'begin', ...next)
    await step(three!, 'begin', ...next)
    expect(await check(...next)).toEqual({ ...good, step: 'switch', on: 'orc-2 orc-3' })
    await step(two!, 'switch')
    await step(three!, 'switch')
    expect(await check(...next)).toEqual({ ...good, step: 'end', on: 'orc-1 orc-2 orc-3' })
    expect(await check()).toMatchObject({ ...good, step: 'none' })

    // Whoever holds the old one follows events until it ends.
    const following = lab.begin(one!, ['events', '--json'])
    await until(() => following.stdout() !== '', 'the first event', 10_000)
    const ended = Promise.all(lab.nodes.map((each) => each.command(['token', 'roll', 'end'])))
    expect((await ended).map(({ code }) => code)).toEqual([0, 0, 0])
    const told = await following.ended
    expect(told).toMatchObject({ code: 3, stderr: expect.stringMatching(/^p2p: credential_ended: /) })
    expect(JSON.parse(told.stdout.split('\n')[0]!)).toMatchObject({ event: 'leader' })

    expect(await lab.p2p(one!, ['token', 'check'])).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/^orc-1 .* invalid_token$/m),
    })
    await until(
      async () => (await lab.p2p(one!, ['token', 'check'], { tokenFile: file })).code === 0,
      'all to have ended',
      15_000,
      500,
    )
    const after = await lab.p2p(one!, ['token', 'check'], { tokenFile: file })
    expect(after.stdout).toContain('next: bearer-node token roll begin --new-token-file FILE on orc-1, orc-2, orc-3')
    expect(after.stdout).not.toContain(refOf(TOKENS.old))
    writeFileSync(`${lab.folder}/token`, `${TOKENS.new}\n`)
    expect((await lab.p2p(two!, ['pipeline', 'run', 'quick', '--param', 'n=1', '--wait'])).code).toBe(0)
  })
})

describe('without a majority', () => {
  const order = ['pipeline', 'run', 'quick', '--param', 'n=1']
  const quickRuns = async (at: LabNode) => {
    const runs = JSON.parse((await lab.p2p(at, ['pipeline', 'list', '--json'])).stdout) as { pipeline: string }[]
    return runs.filter(({ pipeline }) => pipeline === 'quick').length
  }

  test('nobody leads, which is exit code 4; an order waits for a leader, and is one run however often it was asked', async () => {
    await led()
    const before = await quickRuns(three!)
    await Promise.all([one!.stop('SIGKILL'), two!.stop()])
    await until(async () => (await lab.p2p(three!, ['leader'])).code === 4, 'the lease to end', 30_000, 300)
    expect(await lab.p2p(three!, ['leader'])).toMatchObject({
      code: 4,
      stdout: '',
      stderr: expect.stringMatching(/^p2p: leader_unknown: /),
    })
    const lonely = await lab.p2p(three!, ['nodes'])
    expect(lonely).toMatchObject({ code: 4, stdout: expect.stringMatching(/^orc-1 .* server_unreachable$/m) })

    const lost = await lab.p2p(three!, [...order, '--repeat-for-ms', '0'])
    expect(lost).toMatchObject({ code: 4, stdout: '', stderr: expect.stringMatching(/^p2p: leader_unknown: /) })
    const [, key = ''] = /--idempotency-key (\S+)$/m.exec(lost.stderr) ?? []

    const waiting = lab.begin(three!, [...order, '--wait', '--idempotency-key', key])
    await until(() => waiting.stderr().includes('was answered 503: trying again'), 'a repeat', 30_000)
    await Promise.all([one!.start(), two!.start()])
    expect(await waiting.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/^state +succeeded$/m) })
    await led()
    expect(await quickRuns(three!)).toBe(before + 1)
  })

  test('who follows events of a node that stops is told so, which is exit code 4', async () => {
    await led()
    const following = lab.begin(two!, ['events'])
    await until(() => following.stdout() !== '', 'the first event', 10_000)
    await two!.stop()
    expect(await following.ended).toMatchObject({
      code: 4,
      stdout: expect.stringMatching(/Z {2}leader {2}leader orc-\d /),
    })
    await two!.start()
  })
})
