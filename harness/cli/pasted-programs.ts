import { protocols } from '../shipped.ts'
import { ensureTools } from '../toolchain/install.ts'
import { resolveTool } from '../toolchain/resolve.ts'
import type { ToolName } from '../toolchain/tools.ts'
import type { Plan } from '../topology/plan.ts'

/** Programs of the toolchain, by the name of the protocol that commands to paste speak by them: built so that they follow a run's names. */
export type Programs = Readonly<Record<string, string>>

/** Those that are there. */
export function programsOf(plan: Plan): Promise<Programs> {
  return found(plan, async (tool) => (await resolveTool(tool, { overlay: true }).catch(() => undefined))?.path)
}

/** Builds what is missing. Where that fails there is none, and commands name what a shell finds. */
export function withPrograms(plan: Plan, options: { onProgress: (line: string) => void; signal?: AbortSignal }) {
  return found(plan, async (tool) => {
    const tools = await ensureTools([tool], { ...options, overlay: true }).catch((failure: Error) => {
      options.onProgress(failure.message)
      return []
    })
    return tools[0]?.path
  })
}

async function found(plan: Plan, find: (tool: ToolName) => Promise<string | undefined>): Promise<Programs> {
  const actions = Object.values(plan.nodes).flatMap(({ units }) =>
    units.flatMap((unit) => Object.values(unit.actions ?? {})),
  )
  const spoken = new Set(actions.flatMap(({ request }) => Object.keys(request)))
  const paths: [string, string][] = []
  for (const name of spoken) {
    const tool = protocols.get(name)?.pastes
    const path = tool && (await find(tool))
    if (path !== undefined) paths.push([name, path])
  }
  return Object.fromEntries(paths)
}
