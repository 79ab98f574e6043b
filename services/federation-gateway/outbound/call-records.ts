import { type DecisionLog, recordUnanswered } from '../../shared/decision-log.ts'
import type { Log } from '../../shared/log.ts'
import type { Resource } from '../scope/resources.ts'
import { type AuditedDecision, auditRowOf } from '../storage/audit/decision.ts'
import type { AuditWriter } from '../storage/audit/writer.ts'
import type { Tracing } from '../tracing/tracing.ts'
import { type Query, queryHash } from '../wire/query-hash.ts'
import type { Verb } from '../wire/requests.ts'
import { type Asked, FederationClientError, type Met, type PeerCalls } from './peer-client.ts'

/** By whom and with what a peer is called. */
export interface Caller {
  readonly peerId: string
  readonly tenantId: string
  readonly ownerId: string
  readonly commonName: string
  readonly grantId: string
  readonly subjectUserId: string
  /** Of the certificate in use. */
  serial(): string
}

export interface CallRecordsOptions {
  readonly decisions: Pick<DecisionLog, 'record'>
  readonly audit: Pick<AuditWriter, 'open'>
  readonly log: Pick<Log, 'error'>
  readonly tracing: Pick<Tracing, 'begin'>
  /** Told of each call that had an answer, or might have had one. `failure`: its reason. */
  onContact(caller: Caller, failure?: string): void
}

/** What is asked, as it is put on record. */
interface Described {
  readonly verb: Verb
  /** The one that it is about; a search is about any. */
  readonly resource?: Resource
  /** What else makes it the query that it is. */
  readonly query?: Omit<Query, 'verb'>
}

/**
 * Puts every call to a peer on record: one decision, one row of the audit and one span, whatever comes of it. None holds what was asked or
 * answered.
 */
export class CallRecords {
  readonly #options: CallRecordsOptions

  constructor(options: CallRecordsOptions) {
    this.#options = options
  }

  of(caller: Caller, client: PeerCalls): PeerCalls {
    const around = <Answer extends object>(
      what: Described,
      asked: Asked,
      act: (within: Asked) => Promise<Answer>,
      rowsIn: (answer: Answer) => number = () => 0,
    ) => this.#around(caller, what, asked, act, rowsIn)
    return {
      list: (resource, query, asked = {}) => {
        const { limit, filter } = query
        const what: Described = { verb: 'list', resource, query: { limit, filter } }
        return around(what, asked, (within) => client.list(resource, query, within), itemsIn)
      },
      get: (resource, id, asked = {}) => {
        const what: Described = { verb: 'get', resource, query: { id } }
        return around(
          what,
          asked,
          (within) => client.get(resource, id, within),
          () => 1,
        )
      },
      search: (request, asked = {}) => {
        const { q, resources, limit } = request
        const what: Described = { verb: 'search', query: { resource: resources, q, limit } }
        return around(what, asked, (within) => client.search(request, within), itemsIn)
      },
      standing: (known, asked = {}) =>
        around({ verb: 'capabilities' }, asked, (within) => client.standing(known, within)),
      renew: (csrPem, asked = {}) => around({ verb: 'renew' }, asked, (within) => client.renew(csrPem, within)),
    }
  }

  async #around<Answer extends { readonly met?: Met } | object>(
    caller: Caller,
    what: Described,
    asked: Asked,
    act: (within: Asked) => Promise<Answer>,
    rowsIn: (answer: Answer) => number,
  ): Promise<Answer> {
    const { onContact } = this.#options
    const call = this.#begin(caller, what, asked)
    try {
      const answer = await act({ ...asked, trace: call.place })
      const met = 'met' in answer ? answer.met : asked.met
      call.end({ verdict: 'accepted', status: 200, error: null, ...metOf(met), rowsOut: rowsIn(answer) })
      onContact(caller)
      return answer
    } catch (failure) {
      call.end(refusalOf(failure))
      if (failure instanceof FederationClientError && failure.isAboutPeer) onContact(caller, failure.code)
      throw failure
    }
  }

  #begin(caller: Caller, { verb, resource, query }: Described, { trace }: Asked) {
    const { decisions, audit, log, tracing } = this.#options
    const hash = queryHash({ verb, resource, ...query })
    const requestId = crypto.randomUUID()
    const started = performance.now()
    const entry = audit.open(requestId)
    const span = tracing.begin('client', verb, trace)
    const { peerId, tenantId, ownerId: userId, commonName: cn, grantId, subjectUserId } = caller
    return {
      place: span.place,
      end: ({ isAborted = false, ...outcome }: Outcome): void => {
        const at = new Date().toISOString()
        const decision: AuditedDecision = {
          ...{
            conn: '',
            listener: 'outbound',
            requestId,
            layer: outcome.reason === 'peer_tls_untrusted' ? 'tls' : 'http',
          },
          traceId: span.place.traceId,
          action: `federation:${verb}${resource === undefined ? '' : `/${resource}`}`,
          target: cn,
          principal: { cn, peerId, userId, grantId, subjectUserId, serial: caller.serial() },
          ms: Math.round((performance.now() - started) * 1000) / 1000,
          ...outcome,
          audit: {
            ...{ direction: 'outbound', verb, queryHash: hash, tenantId },
            ...(resource !== undefined && { resource }),
            ...(isAborted && { outcome: 'aborted' }),
          },
        }
        let isRecorded = true
        const noted: typeof decisions = {
          record(told) {
            isRecorded = false
            decisions.record(told)
            isRecorded = true
          },
        }
        recordUnanswered(noted, log, decision)
        const row = auditRowOf(decision, at)
        if (isRecorded) entry.settle(row)
        else entry.cancel()
        span.end(row)
      },
    }
  }
}

function itemsIn({ items }: { readonly items: readonly object[] }): number {
  return items.length
}

interface Outcome extends Pick<AuditedDecision, 'verdict' | 'status' | 'error' | 'guard' | 'reason' | 'rowsOut'> {
  readonly isAborted?: boolean
}

function metOf(met: Met | undefined): Met | { guard: null; reason: null } {
  return met ?? { guard: null, reason: null }
}

function refusalOf(failure: unknown): Outcome {
  const refused = { verdict: 'refused', rowsOut: 0 } as const
  if (!(failure instanceof FederationClientError)) {
    return { ...refused, status: 500, error: 'internal', guard: null, reason: 'internal' }
  }
  const { guard, refusal, code } = failure
  const { status, error = null, reason } = refusal
  return { ...refused, status, error, guard, reason, isAborted: code === 'call_abandoned' }
}
