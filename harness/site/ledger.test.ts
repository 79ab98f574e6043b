import { expect, test } from 'vitest'
import { http } from '../protocols/http/index.ts'
import { type CallShape, SharedControls } from './ledger.ts'
import type { Verdict } from './verdict.ts'

const shape = ({ parts, ...changed }: Partial<CallShape> = {}) => {
  const call = { from: 'a', to: 'b', action: 'b:read', parts: { certificate: 'one', token: 'one', ...parts } }
  return { ...call, elements: {}, ...changed } as CallShape
}
const verdict = (is: 'accepted' | 'refused') =>
  ({
    ...{ from: 'a', to: 'b', action: 'b:read', credential: { label: 'right', presents: {} }, verdict: is },
    ...{ promised: is === 'accepted', decisions: [], shown: { said: is }, leaks: [], answerLeaks: [], effects: {} },
    ...{ protocol: http, live: new Map(), answer: { status: is === 'accepted' ? 200 : 401, error: null } },
  }) as unknown as Verdict

function controls() {
  const target = { accepts: true, calls: 0, process: 1, onCall: () => {} }
  const processNow = () => target.process
  const shared = new SharedControls<undefined>()
  const again = async () => {
    target.calls += 1
    target.onCall()
    return verdict(target.accepts ? 'accepted' : 'refused')
  }
  const add = (process = 1) =>
    shared.add('right', { shape: shape(), again, process, processNow, verdict: verdict('accepted'), refusals: 1 })
  const refuse = (changed: Partial<CallShape> = { parts: { token: 'forged' } }, process = 1) =>
    shared.controlOf(shape(changed), process, undefined)
  return { target, shared, add, refuse }
}

test('ten refusals are held against one accepted call, the eleventh against the one after them', async () => {
  const { target, add, refuse } = controls()
  add()
  for (let more = 2; more <= 10; more += 1) {
    expect(await refuse()).toMatchObject({ accepted: true, element: 'token', credential: 'right' })
  }
  expect(target.calls).toBe(0)
  await refuse()
  expect(target.calls).toBe(1)
})

test('only what differs in one element, and by the same process', async () => {
  const { add, refuse } = controls()
  add()
  expect(await refuse({})).toBeUndefined()
  expect(await refuse({ parts: { token: 'forged', certificate: 'another' } })).toBeUndefined()
  expect(await refuse({ to: 'c', parts: { token: 'forged' } })).toBeUndefined()
  expect(await refuse({ parts: { token: 'forged' } }, 2)).toBeUndefined()
  expect(await refuse({ parts: { certificate: 'another' } })).toMatchObject({ accepted: true })
})

test('who lets in nobody any more has proven nothing: at the eleventh refusal, and at the end', async () => {
  const { target, shared, add, refuse } = controls()
  add()
  target.accepts = false
  for (let more = 2; more <= 10; more += 1) await refuse()
  const lost = { code: 'HOLDFAST_CONTROL_LOST', message: expect.stringContaining('was accepted before 10 refusals') }
  await expect(refuse()).rejects.toMatchObject(lost)

  add()
  await expect(shared.close(undefined)).rejects.toMatchObject({ code: 'HOLDFAST_CONTROL_LOST' })
})

test('at the end each is made once more, but those that nothing was held against since', async () => {
  const { target, shared, add } = controls()
  add()
  expect(await shared.close(undefined)).toBe(1)
  expect(await shared.close(undefined)).toBe(0)
  expect(target.calls).toBe(1)
})

test('another process cannot speak for the refusals of the one before', () => {
  const { add } = controls()
  add()
  expect(() => add(2)).toThrow(expect.objectContaining({ code: 'HOLDFAST_CONTROL_LOST' }))
})

test('nor can it at the end, or after ten of them, whatever it accepts', async () => {
  const lost = {
    code: 'HOLDFAST_CONTROL_LOST',
    message: expect.stringMatching(/before \d+ refusals.*: another process is in its place;/),
  }
  const { target, shared, add, refuse } = controls()
  add()
  target.process = 2
  await expect(shared.close(undefined)).rejects.toMatchObject(lost)
  expect(target.calls).toBe(0)

  target.process = 1
  add()
  for (let more = 2; more <= 10; more += 1) await refuse()
  // It is replaced while the call is made.
  target.onCall = () => {
    target.process = 2
  }
  await expect(refuse()).rejects.toMatchObject(lost)
})

test('before a process ends, what its refusals were held against is made once more, and counted at the end', async () => {
  const { target, shared, add } = controls()
  add()
  await shared.closeOf(2, undefined)
  expect(target.calls).toBe(0)
  await shared.closeOf(1, undefined)
  expect(target.calls).toBe(1)

  add(2)
  target.process = 2
  expect(await shared.close(undefined)).toBe(2)
  expect(target.calls).toBe(2)
  expect(await shared.close(undefined)).toBe(0)

  target.process = 1
  add()
  target.accepts = false
  await expect(shared.closeOf(1, undefined)).rejects.toMatchObject({ code: 'HOLDFAST_CONTROL_LOST' })
})

test('two that are due, each the control of the other, are made once each', async () => {
  const shared = new SharedControls<undefined>()
  const made: string[] = []
  for (const token of ['one', 'two']) {
    const one = shape({ parts: { token } })
    const again = async () => {
      made.push(token)
      await shared.controlOf(one, 1, undefined)
      return verdict('accepted')
    }
    shared.add(token, {
      shape: one,
      again,
      process: 1,
      processNow: () => 1,
      verdict: verdict('accepted'),
      refusals: 10,
    })
  }
  await shared.controlOf(shape({ parts: { token: 'forged' } }), 1, undefined)
  expect(made).toEqual(['two', 'one'])
})
