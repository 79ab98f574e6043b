import type { IncomingMessage } from 'node:http'
import type { z } from 'zod'
import { guard, type Refusal } from '../../shared/guard.ts'
import { BodyRefused, FORM_BODY_REASONS, JSON_BODY_REASONS, readForm, readJson } from '../../shared/http-json.ts'

/** A JSON body on its way: `value` is set when it passed. */
export interface JsonRequest {
  request: IncomingMessage
  schema: z.ZodType
  value?: unknown
}

/** A form on its way: `form` is set when it passed. */
export interface FormRequest {
  request: IncomingMessage
  repeatable: readonly string[]
  required: readonly string[]
  form?: URLSearchParams
}

export const requestJson = guard<JsonRequest>('request.json', [...JSON_BODY_REASONS, 'member_invalid'], (context) =>
  refusalOf(async () => {
    const result = context.schema.safeParse(await readJson(context.request))
    if (!result.success) return { reason: 'member_invalid', status: 400, error: 'invalid_request' }
    context.value = result.data
    return undefined
  }),
)

export const requestForm = guard<FormRequest>('request.form', [...FORM_BODY_REASONS, 'parameter_missing'], (context) =>
  refusalOf(async () => {
    const form = await readForm(context.request, context.repeatable)
    if (context.required.some((name) => !form.has(name))) {
      return { reason: 'parameter_missing', status: 400, error: 'invalid_request' }
    }
    context.form = form
    return undefined
  }),
)

async function refusalOf(read: () => Promise<Refusal | undefined>): Promise<Refusal | undefined> {
  try {
    return await read()
  } catch (failure) {
    if (failure instanceof BodyRefused) return failure.refusal
    throw failure
  }
}
