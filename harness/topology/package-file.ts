import { access } from 'node:fs/promises'

/** URL of a file of this package, given from its root: one folder higher when compiled. */
export async function packageFile(path: string): Promise<URL> {
  const source = new URL(`../../${path}`, import.meta.url)
  const compiled = new URL(`../../../${path}`, import.meta.url)
  return access(source).then(
    () => source,
    () => compiled,
  )
}
