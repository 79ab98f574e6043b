import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { z } from 'zod'
import { secretText } from '../federation-gateway/start/secret-text.ts'
import type { Invitation } from '../federation-gateway/wire/admin.ts'
import { CommandFailed } from './failure.ts'

/** What `peer add` needs of an invitation. */
const invitation = z.object({ enrollmentUrl: z.string().min(1), caPem: z.string().min(1).optional() })

/**
 * Writes what `ask` answers to a file of its own (0600). The file is there before anything is asked: of a token that could not be kept
 * nobody would have anything.
 */
export async function writeInvitation(file: string, ask: () => Promise<Invitation>): Promise<Invitation> {
  let handle: number
  try {
    handle = openSync(file, 'wx', 0o600)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const why = code === 'EEXIST' ? 'is there already' : `cannot be written (${code})`
    throw new CommandFailed('file_unusable', `${file} ${why}; name another file with --out`)
  }
  try {
    const made = await ask()
    writeSync(handle, `${JSON.stringify(made, null, 2)}\n`)
    fsyncSync(handle)
    return made
  } catch (failure) {
    rmSync(file, { force: true })
    throw failure
  } finally {
    closeSync(handle)
  }
}

/** @throws StartFailure where others can read it, CommandFailed where it is none */
export function readInvitation(file: string): { enrollmentUrl: string; caPem?: string | undefined } {
  const text = secretText({ key: 'the invitation', value: undefined, file })!
  try {
    return invitation.parse(JSON.parse(text))
  } catch {
    // What is in it is secret, and would be quoted.
    throw new CommandFailed(
      'invitation_invalid',
      `${file} is no invitation; ask for one (federation grant token --out FILE)`,
    )
  }
}
