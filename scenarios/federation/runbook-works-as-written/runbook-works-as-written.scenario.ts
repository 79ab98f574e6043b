import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, putFile, scenario } from 'holdfast/vitest'
import { bring, commandLine } from '../asking.ts'
import { type Federation, federation } from '../federation.ts'

/** C, whom nobody has invited, asks beside A. */
const test = scenario('federation', { set: { askers: 2 } }).extend('federation', federation)
const guide = readFileSync(join(import.meta.dirname, '../../../docs/guides/federation.md'), 'utf8')

interface Typed {
  readonly line: string
  readonly at: string
  readonly words: readonly string[]
}

/** `federation peer list    # at C`, as it stands in the guide. */
function commands(): Typed[] {
  const blocks = [...guide.matchAll(/^```sh\n([\s\S]*?)\n```$/gm)].flatMap(([, text]) => text!.split('\n'))
  return blocks
    .filter((line) => line.startsWith('federation '))
    .map((line) => {
      const [, command, letter] = /^federation (.*?)\s+# at ([A-Z])$/.exec(line) ?? []
      if (command === undefined || letter === undefined) throw new Error(`the guide does not say where: ${line}`)
      return { line, at: letter.toLowerCase(), words: command.split(' ') }
    })
}

async function type(federation: Federation, { line, at, words }: Typed): Promise<string> {
  const { code, stdout, stderr } = await commandLine(federation, at, ...words)
  expect({ code, stderr }, line).toEqual({ code: 0, stderr: '' })
  return stdout
}

test('its commands, typed as they stand there, lend bob’s rows to bob of C, and then no longer', async ({
  federation,
}) => {
  const { site } = federation
  const typed = commands()
  const scope = /^```json\n(.*)\n```$/m.exec(guide)![1]!
  await putFile(site, 'gateway-b', './scope.json', scope)
  const isRevoke = ({ words }: Typed) => words.includes('revoke')
  expect(typed.filter(isRevoke)).toEqual(typed.slice(-1))

  const bob = await federation.asUser('c', 'bob')
  const source = `federated:${site.plan.nodes['gateway-b']!.host}` as const
  const ask = async () => {
    const reply = await bob.list('tasks', { source })
    return reply.status === 200 ? reply.value.items.map(({ id }) => id).sort() : reply.status
  }
  expect(await ask()).toBe(404)

  for (const command of typed.slice(0, -1)) {
    if (command.words.includes('--invitation')) await bring(federation, 'b', 'c', './invitation.json')
    const said = await type(federation, command)
    if (command.words[0] === 'peer' && command.words[1] === 'list') expect(said).toContain('active')
  }
  const { granted, unfinished, alerts } = await statusOf(federation)
  expect({ unfinished, alerts }).toEqual({ unfinished: [], alerts: [] })
  expect(granted.active).toBeGreaterThan(0)
  const lent = federation.seed('b').visible('bob', 'tasks')
  expect(lent.length).toBeGreaterThan(0)
  expect(await ask()).toEqual(lent)

  await type(federation, typed.at(-1)!)
  const left = await bob.list('tasks', { source })
  expect(lent.filter((id) => left.body.includes(id))).toEqual([])
  const ended = await statusOf(federation)
  expect(ended.granted.active).toBe(granted.active! - 1)
})

async function statusOf(federation: Federation) {
  const { grants, unfinished, alerts } = await (await federation.asAdmin('b')).ask('status:read')
  return { granted: grants as Readonly<Record<string, number>>, unfinished, alerts }
}
