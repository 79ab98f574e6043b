import { duplexPair } from 'node:stream'
import { expect, test } from 'vitest'
import { Monitor } from './qmp.ts'

/** A monitor whose machine answers what the test says, by command. */
function machine(answers: Record<string, object>) {
  const [ours, its] = duplexPair()
  const heard: unknown[] = []
  its.write('{"QMP": {"version": {}}}\n{"event": "RESUME"}\n')
  its.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().trim().split('\n')) {
      const { execute, arguments: args, id } = JSON.parse(line) as { execute: string; arguments: object; id: number }
      heard.push([execute, args])
      const answer = answers[execute]
      if (answer !== undefined) its.write(`${JSON.stringify({ ...answer, id })}\n{"event": "STOP"}\n`)
    }
  })
  return { monitor: new Monitor(ours), its, heard }
}

test('says what it speaks first of all, and resolves when the machine did what it was told', async () => {
  const { monitor, heard } = machine({ qmp_capabilities: { return: {} }, set_link: { return: {} } })
  await monitor.tell('set_link', { name: 'card0', up: false })

  expect(heard).toEqual([
    ['qmp_capabilities', {}],
    ['set_link', { name: 'card0', up: false }],
  ])
})

test('tells what a machine refused, and why', async () => {
  const error = { class: 'GenericError', desc: 'Device not found' }
  const { monitor } = machine({ qmp_capabilities: { return: {} }, set_link: { error } })

  await expect(monitor.tell('set_link')).rejects.toMatchObject({
    code: 'HOLDFAST_QMP',
    message: 'the machine did not do "set_link": Device not found',
  })
})

test('waits for no machine that has ended', async () => {
  const { monitor, its } = machine({})
  const waiting = monitor.tell('stop')
  its.end()

  await expect(waiting).rejects.toThrow('it has ended')
  await expect(monitor.tell('cont')).rejects.toThrow('it has ended')
})
