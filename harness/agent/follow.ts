import { changed, pause } from './changes.ts'
import { stateOfFiles } from './handed-files.ts'

/** Calls `again` whenever files of a folder are others than before. A failure of it is told, and the next change is waited for. */
export async function followFiles(
  folder: string,
  again: () => Promise<void>,
  onFailure: (cause: Error) => void,
): Promise<void> {
  const look = () => stateOfFiles({ folder })
  // What is not there yet changes when it comes.
  const seen = await look().catch(() => undefined)
  void onEachChange(look, seen, again, onFailure)
}

async function onEachChange(
  look: () => Promise<string>,
  seen: string | undefined,
  again: () => Promise<void>,
  onFailure: (cause: Error) => void,
): Promise<never> {
  let state = seen
  for (;;) {
    try {
      state = await changed(look, state)
      await again()
    } catch (cause) {
      onFailure(cause as Error)
      // What cannot be looked at, a file without rights say, is looked at no more often than what can.
      await pause(1_000)
    }
  }
}
