import type { Lab } from './lab.ts'

/** Does something while the configuration file of the target is another one, and the target stopped; then all is as before. */
export async function inOtherConfiguration<T>(
  lab: Lab,
  change: (config: Readonly<Record<string, unknown>>) => unknown,
  work: () => Promise<T>,
): Promise<T> {
  const node = lab.site.node(lab.target.node)
  const file = `units/${lab.target.unit}/config.json`
  const before = await node.readFile(file)
  const write = async (text: string) => node.exec(['tee', `${node.dir}/${file}`], { input: text })
  await node.stop(lab.target.unit)
  try {
    await write(JSON.stringify(change(JSON.parse(before) as Record<string, unknown>)))
    return await work()
  } finally {
    await write(before)
    await node.start(lab.target.unit)
  }
}

/** What speaks against "it refuses to start, in one line that says this, and nothing listens". `said`: what it wrote. */
export async function startProblems(lab: Lab, says: string): Promise<{ problems: string[]; said: string }> {
  const node = lab.site.node(lab.target.node)
  const { unit } = lab.target
  const logged = node.logs(unit).length
  const before = lab.site.site.events().length
  const problems: string[] = []
  const hasStarted = await node.start(unit).then(
    () => true,
    () => false,
  )
  if (hasStarted) {
    await node.stop(unit)
    problems.push('it started')
  }
  const lines = node.logs(unit).slice(logged)
  const said = lines.join('\n')
  if (!said.includes(says)) problems.push(`it does not say ${says}, but: ${said.slice(0, 300) || 'nothing'}`)
  const exit = lab.site.site
    .events()
    .slice(before)
    .find((event) => event.event === 'unit-exited' && event.node === node.name && event.unit === unit)
  if (exit?.event === 'unit-exited' && exit.code === 0) problems.push('it exited as if all were well')
  return { problems, said }
}
