import { constants } from 'node:fs'
import { type FileHandle, open, readlink, realpath } from 'node:fs/promises'
import { HoldfastError } from '../errors.ts'
import { type NodeContext, unitFolder } from './node-context.ts'
import { idsOfUser } from './secret-file.ts'
import { isWithin } from './unit-files.ts'

/** The user of a unit put something into its folder that the agent must not read for it. Code `HOLDFAST_FILE_FOREIGN`. */
export class ForeignFile extends HoldfastError {
  constructor(path: string, unit: string, user: string) {
    super(
      'HOLDFAST_FILE_FOREIGN',
      `${path} is no file in the folder of ${unit} that belongs to ${user} or to the agent; put the file itself there`,
    )
  }
}

type Reading = Pick<NodeContext, 'dir' | 'node'>

/** Reads a file that the plan names. */
export async function readDeclared(context: Reading, path: string): Promise<Buffer> {
  await using handle = await openDeclared(context, path)
  return await handle.readFile()
}

/**
 * Opens it; `real`: where it was found to lie, without links. In the folder of a unit with a user, that user could have linked to
 * whatever only the agent may read.
 */
export async function openDeclared(context: Reading, path: string, real?: string): Promise<FileHandle> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
  const handle = await open(real ?? (await realpath(path)), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    for (const { name, user } of context.node.units) {
      const folder = unitFolder(context, name)
      if (user === undefined || !isWithin(folder, path)) continue
      // What was opened, wherever the path leads by now. Only Linux lets units have users.
      const lies = await readlink(`/proc/self/fd/${handle.fd}`)
      const [found, { uid }] = await Promise.all([handle.stat(), idsOfUser(user)])
      const isOwn = found.isFile() && [uid, process.getuid?.()].includes(found.uid)
      if (!isOwn || !isWithin(await realpath(folder), lies)) throw new ForeignFile(path, name, user)
    }
    return handle
  } catch (cause) {
    await handle.close()
    throw cause
  }
}
