import { statSync } from 'node:fs'

const place = Symbol.for('holdfast: programs and libraries that were tried')

/**
 * Asks once in a process whether a file works: that starts a program, which takes a large process longer than the program itself. One that
 * was replaced is asked about again. Test files of one worker have modules of their own, so the answers are the process's.
 */
export function triedOnce(what: string, works: (path: string) => boolean): (path: string) => boolean {
  return (path) => {
    const { ino, size, mtimeMs } = statSync(path)
    const key = [what, path, ino, size, mtimeMs].join(' ')
    const answers = answersOfProcess()
    const answer = answers.get(key) ?? works(path)
    answers.set(key, answer)
    return answer
  }
}

function answersOfProcess(): Map<string, boolean> {
  const process = globalThis as { [place]?: Map<string, boolean> }
  process[place] ??= new Map()
  return process[place]
}
