import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { $, type Shell } from 'zx/core'
import type { SiteNode } from '../backends/backend.ts'

/** A node whose shell can be typed into: `` site.node('node-a').$`curl …` ``. */
export type TestedNode = SiteNode & {
  /**
   * zx's `$`, on the node: by its `bash`, in its folder, with the names of the plan, and with no variable of the test's own. What is filled in
   * is quoted. Its standard input is the option `input`. Rejects where the command ends with another code than 0; ends after 30 s. What was
   * run stands in the history of the run.
   */
  readonly $: Shell
}

export function withShell(node: SiteNode): TestedNode {
  const shell = $({ quiet: true, spawn: spawnOn(node) as never })
  return new Proxy(node as TestedNode, {
    get(of, name) {
      const value = name === '$' ? shell : Reflect.get(of, name, of)
      return typeof value === 'function' && name !== '$' ? value.bind(of) : value
    },
  })
}

/** What zx takes for `spawn`: the far end of the process is on the node, and so is nothing here that could get a signal. */
function spawnOn(node: SiteNode) {
  return (command: string, _: readonly string[], { input }: { input?: string | Buffer }) => {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
    const child = Object.assign(new EventEmitter(), { stdin, stdout, stderr, pid: undefined })
    const ended = async () => {
      // Told something over a socket it takes itself for a remote login, and would begin with what stands in somebody's ~/.bashrc.
      const bash = ['bash', '--norc', '-c', command]
      const { code, signal, ...output } = await node.exec(bash, { input: input?.toString() })
      stdout.end(output.stdout)
      stderr.end(output.stderr)
      child.emit('exit', code, signal)
      child.emit('close', code, signal)
    }
    ended().catch((failure: unknown) => {
      child.emit('error', failure)
      child.emit('close', null, null)
    })
    return child
  }
}
