import { type ChildProcess, fork } from 'node:child_process'
import { nodeCommand } from '../harness/agent/command.ts'
import { userEnvironment } from '../harness/settings.ts'

/**
 * Starts a program of the bench in a process of its own, so that it shares no event loop with the load. `hosts`: the file by which it finds
 * the hosts of a plan.
 */
export function forkOn(program: string, hosts?: string): ChildProcess {
  const [, ...flags] = nodeCommand
  const names = hosts && {
    execArgv: [...process.execArgv, ...flags],
    env: userEnvironment({ HOLDFAST_HOSTS: hosts }),
  }
  return fork(program, {
    ...names,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // In a session of its own, as services are: Linux shares processor time out by session when there is too little of it.
    detached: true,
  })
}
