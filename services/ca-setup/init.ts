import { join, resolve } from 'node:path'
import { checkedFingerprint, makeAuthority } from './authority.ts'
import type { Configuration } from './config.ts'
import { makeOnce, ownFolder, removeUnfinished } from './folder.ts'
import { layoutOf } from './layout.ts'
import { passwordIn } from './password.ts'
import { keepRootCrl } from './root-crl.ts'
import { step } from './step.ts'

export interface Made {
  /** What was not there, or had to be made anew: `authority`, `provisioner NAME`, `root CRL`. */
  readonly made: readonly string[]
  /** Hexadecimal SHA-256 of the DER of the root. */
  readonly rootSha256: string
}

/** Makes what is not there yet. What is there stays, and must be whole: a root that somebody trusts is never made anew. */
export async function init(given: Configuration): Promise<Made> {
  // step runs in the folder that it writes.
  const configuration = { ...given, dir: resolve(given.dir), passwordFile: resolve(given.passwordFile) }
  const { dir, provisioners, passwordFile, rootCrlDays } = configuration
  const password = await passwordIn(passwordFile)
  const files = layoutOf(dir)
  for (const folder of [dir, files.provisioners]) {
    await ownFolder(folder)
    await removeUnfinished(folder)
  }
  const made: string[] = []
  if (await makeOnce(files.authority, (folder) => makeAuthority(folder, configuration))) made.push('authority')
  for (const name of provisioners) {
    const make = (folder: string) => makeProvisioner(folder, configuration)
    if (await makeOnce(join(files.provisioners, name), make)) made.push(`provisioner ${name}`)
  }
  const rootSha256 = await checkedFingerprint(files, password)
  await removeUnfinished(files.authority)
  if (await keepRootCrl({ files, password, days: rootCrlDays })) made.push('root CRL')
  return { made, rootSha256 }
}

/** A key that signs one-time tokens: `public.json` is for the CA, `private.json` is encrypted with the password. */
async function makeProvisioner(folder: string, { step: program, passwordFile }: Configuration): Promise<void> {
  const files = [join(folder, 'public.json'), join(folder, 'private.json')]
  const key = ['--kty', 'EC', '--crv', 'P-256', '--use', 'sig', '--alg', 'ES256', '--password-file', passwordFile]
  await step(program, folder, ['crypto', 'jwk', 'create', ...files, ...key])
}
