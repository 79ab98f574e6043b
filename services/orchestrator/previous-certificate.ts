import { X509Certificate } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { failureFields, type Log } from '../shared/log.ts'
import type { TlsMaterial } from '../shared/tls-material.ts'
import { replaceFile } from './secret-file.ts'

// The certificate before the last renewal lies beside the newest for as long as a token is bound to it, so that a restart finds both.

interface CertificateFile {
  /** Where the newest certificate stands. */
  readonly cert: string
}

/** It is for the same key, for a renewal keeps that. What cannot be used is as good as none. */
export function readPrevious(file: CertificateFile, newest: TlsMaterial): TlsMaterial | undefined {
  try {
    const certificate = readFileSync(pathOf(file), 'utf8')
    const leaf = new X509Certificate(certificate)
    return leaf.publicKey.equals(newest.leaf.publicKey) ? { ...newest, certificate, leaf } : undefined
  } catch {
    return undefined
  }
}

/** Puts the renewed certificate into its file, and the one before beside it. */
export function keepBoth(file: CertificateFile, renewed: string, before: string, log: Log): void {
  try {
    replaceFile(pathOf(file), before)
    replaceFile(file.cert, renewed)
  } catch (failure) {
    // Not a reason to let the certificate end: only a restart will miss it.
    log.error('certificate-not-written', failureFields(failure))
  }
}

export function removePrevious(file: CertificateFile, log: Log): void {
  try {
    rmSync(pathOf(file), { force: true })
  } catch (failure) {
    // What is left there is looked at again after a restart, and not used when it has ended.
    log.error('certificate-not-removed', failureFields(failure))
  }
}

function pathOf({ cert }: CertificateFile): string {
  return `${cert}.previous`
}
