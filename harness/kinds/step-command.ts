import type { Command } from '../topology/plan.ts'

/** Keys lie unencrypted in a folder (0700) that ends with the run; without STEPPATH the user's own would be used. */
export function stepCommand(args: string[]): Command {
  return { program: { tool: 'step' }, args, env: { STEPPATH: '@{unit}/step' } }
}
