import type { IncomingMessage } from 'node:http'
import { guard } from '../../shared/guard.ts'
import { readBody } from '../listeners/guards.ts'
import type { Activated } from '../storage/activation.ts'
import type { Opened } from '../storage/renewal.ts'
import { type Issue, refused } from '../wire/errors.ts'
import { type CsrRequest, csrRequest } from '../wire/requests.ts'
import type { CaErrorCode } from './ca-answer.ts'
import type { CaClient } from './ca-client.ts'
import { type IssuedLeaf, reasonAgainst } from './issued-leaf.ts'
import type { Asked } from './issuing.ts'

/** A request for enrolment; `value` is set when its body passed, `issues` when its members did not. */
export interface EnrolmentBody {
  readonly request: IncomingMessage
  value?: CsrRequest
  issues?: readonly Issue[]
}

const LARGEST_BODY = 16 * 1024
const BODY_REASONS: Readonly<Record<string, string>> = {
  content_type: 'enrolment_content_type',
  body_too_large: 'enrolment_too_large',
}

export const enrBody = guard<EnrolmentBody>(
  'enr.body',
  ['enrolment_content_type', 'enrolment_too_large', 'enrolment_body'],
  async (body) => {
    const read = await readBody({ request: body.request, largest: LARGEST_BODY })
    if (read.refusal !== undefined) {
      return { ...read.refusal, reason: BODY_REASONS[read.refusal.reason] ?? 'enrolment_body' }
    }
    const checked = csrRequest.safeParse(read.value)
    if (checked.success) {
      body.value = checked.data
      return undefined
    }
    body.issues = checked.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }))
    return refused('invalid_request', 'enrolment_body')
  },
)

const RETRY_SECONDS = 5

/** Before anything is spent: an outage that is known needs no new invitation. */
export const enrCaReady = guard<Pick<CaClient, 'isReady'>>('enr.ca-ready', ['ca_unreachable'], async (ca) =>
  (await ca.isReady()) ? undefined : refused('dependency_unavailable', 'ca_unreachable', RETRY_SECONDS),
)

/** One that goes away between both guards has given no answer in the time that it had, whatever became of the request. */
const SIGN_REASONS: Readonly<Record<CaErrorCode, string>> = {
  CA_UNREACHABLE: 'ca_timeout',
  CA_TIMEOUT: 'ca_timeout',
  CA_REFUSED: 'ca_refused',
  CA_BAD_ANSWER: 'ca_bad_answer',
}

export const enrCaSign = guard<Pick<Asked, 'failure'>>(
  'enr.ca-sign',
  ['ca_timeout', 'ca_refused', 'ca_bad_answer'],
  ({ failure }) => failure && refused('dependency_unavailable', SIGN_REASONS[failure.code]),
)

/** Also for a token that is redeemed while another one of the same grant is: then nothing is spent. */
export const enrActivate = guard<{ readonly outcome: Activated | 'busy' }>(
  'enr.activate',
  ['activation_lost_race'],
  ({ outcome }) => (outcome === 'active' ? undefined : refused('conflict', 'activation_lost_race')),
)

export const renewSingle = guard<{ readonly opened: Opened }>('renew.single', ['renewal_in_progress'], ({ opened }) =>
  'why' in opened ? refused('conflict', 'renewal_in_progress') : undefined,
)

const RENEW_REASONS: Readonly<Record<CaErrorCode, string>> = {
  CA_UNREACHABLE: 'renew_ca_unavailable',
  CA_TIMEOUT: 'renew_ca_unavailable',
  CA_REFUSED: 'renew_ca_rejected',
  CA_BAD_ANSWER: 'renew_ca_rejected',
}

/** Both guards of an enrolment in one, for somebody who has a certificate already and asks again. */
export const renewCa = guard<Pick<Asked, 'failure'> & { readonly issued: IssuedLeaf }>(
  'renew.ca',
  ['renew_ca_unavailable', 'renew_ca_rejected'],
  async ({ failure, issued }) => {
    if (failure !== undefined) return refused('dependency_unavailable', RENEW_REASONS[failure.code], RETRY_SECONDS)
    const isWrong = (await reasonAgainst(issued)) !== undefined
    return isWrong ? refused('dependency_unavailable', 'renew_ca_rejected', RETRY_SECONDS) : undefined
  },
)
