import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Seat } from '../../protocols/seat.ts'
import { programEnvironment } from '../../settings.ts'
import { agentProgram } from '../agent-child.ts'
import { agentSeat } from '../agent-seat.ts'
import { enteringAsUser, type Machine } from './machine.ts'

/**
 * Seats at addresses that are no node's. They are the switch's, so one process in its namespace serves all of them; it is started with the
 * first call.
 */
export function strangerSeats(
  machine: Machine,
  { run, folder, switchHolder }: { run: string; folder: string; switchHolder: string },
): (address: string) => Seat {
  const path = join(folder, 'strangers')
  let served: Promise<unknown> | undefined
  const serve = async () => {
    const [program = '', ...argv] = [
      ...enteringAsUser(machine, switchHolder, '--net'),
      ...agentProgram('seat-main'),
      path,
    ]
    const env = programEnvironment({ HOLDFAST_RUN: run })
    const child = spawn(program, argv, { detached: true, env, stdio: ['pipe', 'pipe', 'inherit'] })
    const failed = once(child, 'exit').then(() => Promise.reject(new Error(`the process of ${path} ended`)))
    await Promise.race([once(child.stdout, 'data'), failed])
    failed.catch(() => {})
  }
  return (address) => {
    const seat = agentSeat(path, address)
    const ready = () => {
      served ??= serve()
      return served
    }
    return {
      address,
      connect: (to, signal) => ready().then(() => seat.connect(to, signal)),
      listen: (onConnection, port) => ready().then(() => seat.listen(onConnection, port)),
    }
  }
}
