import { createHash, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { bearerIdempotency } from '../guards/idempotency.ts'
import { bearerLeader } from '../guards/leader.ts'
import { bearerMember } from '../guards/member.ts'
import { refuseBy, refuseInput } from '../guards/refuse.ts'
import { type Answer, type Call, type Route, route } from '../listener/route.ts'
import type { ParamsCheck, ParamsMistake } from '../pipelines/params.ts'
import { variableOf } from '../pipelines/stage-runner.ts'
import type { Cluster } from './cluster.ts'
import { forward } from './forward.ts'
import { heartbeatMessage } from './heartbeats.ts'
import type { Term } from './leader.ts'
import { METRICS_TYPE, metricsText } from './metrics.ts'
import { replicaMessage } from './replicas.ts'
import { publicRun, type RunRecord, visibleState } from './run-record.ts'
import { KEY_KEPT_MS } from './store.ts'
import { workMessage } from './work.ts'

const id = z.string().max(63)
const epoch = z.int().positive()

const leaseMessage = z.strictObject({
  ...{ cluster: id, candidate: id, epoch, membership: z.string().max(64) },
  leaseMs: z.int().min(1_000).max(600_000),
  takeover: z.boolean().default(false),
})
const releaseMessage = z.strictObject({ cluster: id, candidate: id, epoch, membership: z.string().max(64) })
const runMessage = z.strictObject({ pipeline: id, params: z.record(z.string(), z.unknown()).default({}) })
const transferMessage = z.strictObject({ to: id })

const KEY = /^[A-Za-z0-9_-]{16,64}$/
/** Of parameters as JSON: with what stages put out they have to fit into one body. */
const LARGEST_PARAMS = 64 * 1024
const MOST_LISTED = 200

/** Every route of the cluster, with who may call it and whether it changes anything. */
export function clusterRoutes(cluster: Cluster): readonly Route[] {
  return [...readRoutes(cluster), ...runRoutes(cluster), ...peerRoutes(cluster)]
}

function readRoutes(cluster: Cluster): Route[] {
  const { pipelines } = cluster.parts
  const read = { method: 'GET', access: 'read', effect: 'none' } as const
  const listed = [...pipelines.values()].map(({ name, params, stages }) => ({
    ...{ name, params, stages: stages.map(({ name, needs, timeoutMs }) => ({ name, needs, timeoutMs })) },
  }))
  return [
    route({ ...read, path: '/v1/status', handle: () => ok(cluster.state()) }),
    route({ ...read, path: '/v1/leader', handle: () => ok(cluster.leader()) }),
    route({ ...read, path: '/v1/pipelines', handle: () => ok({ pipelines: listed }) }),
    route({
      ...{ ...read, path: '/v1/metrics' },
      handle: () => ({ status: 200, headers: { 'content-type': METRICS_TYPE }, body: metricsText(cluster.measured()) }),
    }),
    route({
      ...{ ...read, path: '/v1/pipeline/runs', queryNames: ['limit', 'cursor'] },
      handle: (call) => listRuns(cluster, call),
    }),
    route({
      ...{ ...read, path: '/v1/pipeline/runs/{id}' },
      handle: async (call) => ok(publicRun(await runOf(cluster, call))),
    }),
    route({
      ...{ ...read, path: '/v1/events' },
      handle: ({ headers }) => ({
        events: (session) => cluster.events.open(session, cluster.leader(), oneOf(headers['last-event-id'])),
      }),
    }),
    route({
      ...{ method: 'GET', access: 'token', effect: 'none', path: '/v1/pipeline/runs/{id}/output' },
      handle: async (call) => ok(outputOf(await runOf(cluster, call))),
    }),
  ]
}

function runRoutes(cluster: Cluster): Route[] {
  const write = { method: 'POST', access: 'token', effect: 'write' } as const
  return [
    route({
      ...{ ...write, path: '/v1/pipeline/run', action: 'pipeline:run', schema: runMessage },
      handle: (call) => byLeader(cluster, call, (term) => run(cluster, call, term)),
    }),
    route({
      ...{ ...write, path: '/v1/pipeline/runs/{id}/cancel', action: 'pipeline:cancel' },
      handle: (call) => byLeader(cluster, call, (term) => cancel(cluster, call, term)),
    }),
    route({
      ...{ ...write, path: '/v1/leader/transfer', action: 'leader:transfer', schema: transferMessage },
      handle: (call) => byLeader(cluster, call, () => transfer(cluster, call)),
    }),
  ]
}

function peerRoutes(cluster: Cluster): Route[] {
  const write = { access: 'token', effect: 'write' } as const
  const read = { method: 'GET', access: 'token', effect: 'none' } as const
  const { replicas, work, heartbeats } = cluster
  return [
    route({
      ...{ ...write, method: 'POST', path: '/v1/election/lease', action: 'election:lease', schema: leaseMessage },
      handle: (call) => grant(cluster, call),
    }),
    route({
      ...{ ...write, method: 'POST', path: '/v1/election/release', action: 'election:release', schema: releaseMessage },
      handle: (call) => release(cluster, call),
    }),
    route({
      ...{ ...write, method: 'POST', path: '/v1/peer/heartbeat', action: 'peer:heartbeat', schema: heartbeatMessage },
      handle: (call) => heartbeats.take(call),
    }),
    route({
      ...{ ...write, method: 'PUT', path: '/v1/replica/runs/{id}', action: 'replica:write', schema: replicaMessage },
      handle: (call) => replicas.take(call),
    }),
    route({
      ...{ ...read, path: '/v1/replica/runs', action: 'replica:read', queryNames: ['epoch', 'after', 'id'] },
      handle: (call) => replicas.show(call),
    }),
    route({
      ...{ ...write, method: 'POST', path: '/v1/work/stages', action: 'work:give', schema: workMessage },
      handle: (call) => work.take(call),
    }),
    route({
      ...{ ...read, path: '/v1/work/stages/{run}/{stage}/{attempt}', action: 'work:read' },
      handle: (call) => work.find(call),
    }),
  ]
}

function ok(body: unknown): Answer {
  return { status: 200, body }
}

/** The leader does it; everybody else hands it on. */
async function byLeader(cluster: Cluster, call: Call, work: (term: Term) => Promise<Answer>): Promise<Answer> {
  const { leadership, parts, messages } = cluster
  const { term } = leadership
  if (leadership.serves() && term !== undefined) return work(term)
  const answer = await forward(call, { membership: parts.membership, leadership, messages })
  cluster.count('calls_forwarded')
  return answer
}

async function run(cluster: Cluster, call: Call, term: Term): Promise<Answer> {
  const { store, pipelines, time } = cluster.parts
  const key = oneOf(call.headers['idempotency-key']) ?? ''
  if (!KEY.test(key)) refuseInput()
  const message = call.json() as z.output<typeof runMessage>
  const digest = createHash('sha256').update(call.body).digest('hex')
  const entry = store.byKey(key)
  const known = entry !== undefined && time.wallMs() - entry.at < KEY_KEPT_MS ? entry : undefined
  refuseBy(bearerIdempotency, { digest, known: known?.digest })
  if (known !== undefined && store.run(known.run) !== undefined) {
    refuseBy(bearerLeader, { isKnown: true, isDurable: await cluster.runs.ensure(known.run, term) })
    const record = store.run(known.run)!
    return acknowledged(cluster, 200, record)
  }
  const pipeline = pipelines.get(message.pipeline)
  if (pipeline === undefined) refuseInput('pipeline_unknown', 404)
  const params = checkedParams(pipeline.check, message.params)
  const runId = newRunId(time.wallMs())
  const { stages } = pipeline
  const made = { id: runId, pipeline: pipeline.name, params, key, digest, stages }
  const isDurable = await cluster.runs.add({ ...made, createdAt: time.wallMs() }, term)
  refuseBy(bearerLeader, { isKnown: true, isDurable })
  cluster.count('runs_acknowledged')
  return acknowledged(cluster, 202, { id: runId, state: 'queued', settled: false })
}

function acknowledged(
  cluster: Cluster,
  status: number,
  record: Pick<RunRecord, 'id' | 'state' | 'settled' | 'startedAt'>,
): Answer {
  const { self } = cluster.parts.membership
  return {
    ...{ status, headers: { location: `/v1/pipeline/runs/${record.id}` } },
    body: { runId: record.id, state: visibleState(record), leader: self.id, epoch: cluster.voter.known },
  }
}

function checkedParams(check: ParamsCheck, given: Record<string, unknown>): Readonly<Record<string, unknown>> {
  const { params, mistakes } = check(given)
  const all = params === undefined ? mistakes : formMistakes(params)
  if (params === undefined || all.length > 0) refuseInput('invalid_params', 422, { mistakes: all })
  return params
}

/** What no schema says: that they fit into a message, and into an environment. */
function formMistakes(params: Readonly<Record<string, unknown>>): readonly ParamsMistake[] {
  const text = JSON.stringify(params)
  const whole = (message: string) => [{ schemaPath: '', at: '', message }]
  if (Buffer.byteLength(text) > LARGEST_PARAMS) return whole(`are more than ${LARGEST_PARAMS} bytes of JSON`)
  if (text.includes('\\u0000')) return whole('hold a NUL, which no environment can')
  const names = Object.keys(params).map(variableOf)
  return new Set(names).size < names.length ? whole('have names that differ in case or signs alone') : []
}

/** Ids of later runs are behind those of earlier ones. */
function newRunId(now: number): string {
  return `${Math.floor(now).toString(16).padStart(12, '0')}-${randomBytes(10).toString('hex')}`
}

async function cancel(cluster: Cluster, call: Call, term: Term): Promise<Answer> {
  const { store } = cluster.parts
  const { id = '' } = call.params
  if (store.run(id) === undefined) refuseInput('run_unknown', 404)
  const isDurable = await cluster.runs.cancel(id, term)
  refuseBy(bearerLeader, { isKnown: true, isDurable })
  const { state } = store.run(id)!
  return { status: 200, body: { runId: id, state } }
}

async function transfer(cluster: Cluster, call: Call): Promise<Answer> {
  const { membership } = cluster.parts
  const { to } = call.json() as z.output<typeof transferMessage>
  const { cluster: name, hash } = membership
  refuseBy(bearerMember, { own: membership, cluster: name, membership: hash, candidate: to })
  if (to === membership.self.id) return ok({ to, epoch: cluster.voter.known })
  if (!(await cluster.heartbeats.handOver(to))) return { status: 502, body: { error: 'peer_unreachable', to } }
  await cluster.leadership.release()
  return { status: 202, body: { to, epoch: cluster.voter.known } }
}

function grant(cluster: Cluster, call: Call): Answer {
  const { membership: own } = cluster.parts
  const { cluster: name, membership, ...request } = call.json() as z.output<typeof leaseMessage>
  refuseBy(bearerMember, { own, cluster: name, membership, candidate: request.candidate })
  let result = ''
  const isWritten = cluster.own.writes(() => {
    result = cluster.voter.decide(request).result
  })
  // A voter that cannot write does not grant.
  if (!isWritten) return { status: 503, body: { error: 'storage_unavailable' } }
  return ok({ result, voter: own.self.id, epoch: request.epoch })
}

function release(cluster: Cluster, call: Call): Answer {
  const { membership: own } = cluster.parts
  const { cluster: name, membership, ...request } = call.json() as z.output<typeof releaseMessage>
  refuseBy(bearerMember, { own, cluster: name, membership, candidate: request.candidate })
  const isWritten = cluster.own.writes(() => cluster.voter.release(request))
  return isWritten ? ok({}) : { status: 503, body: { error: 'storage_unavailable' } }
}

function listRuns(cluster: Cluster, { query }: Call): Answer {
  const limit = Number(query.get('limit') ?? 50)
  const cursor = query.get('cursor') ?? undefined
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST_LISTED) refuseInput()
  if (cursor !== undefined && !/^[a-z0-9-]{1,64}$/.test(cursor)) refuseInput()
  const found = cluster.parts.store.runsBefore(cursor, limit + 1)
  const runs = found.slice(0, limit)
  return ok({ runs: runs.map(publicRun), cursor: found.length > limit ? runs.at(-1)!.id : null })
}

/** Who has the token may have the leader asked for one that has not come here yet. */
async function runOf(cluster: Cluster, { params: { id = '' }, caller }: Call): Promise<RunRecord> {
  const { store, membership } = cluster.parts
  const leader = cluster.leadership.leader()
  const mayAsk = caller.tokenRef !== undefined && leader !== undefined && leader.id !== membership.self.id
  if (store.run(id) === undefined && mayAsk) await cluster.replicas.fetch(leader.id, id)
  const record = store.run(id)
  return record ?? refuseInput('run_unknown', 404)
}

function outputOf(record: RunRecord): unknown {
  const outputs = record.stages.filter(({ state }) => state === 'succeeded').map(({ name, output }) => [name, output])
  return {
    ...{ runId: record.id, pipeline: record.pipeline, state: visibleState(record), params: record.params },
    outputs: Object.fromEntries(outputs) as Record<string, unknown>,
  }
}

function oneOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined
}
