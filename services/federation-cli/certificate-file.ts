import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { z } from 'zod'
import type { enrolmentAnswer } from '../federation-gateway/wire/answers.ts'
import { CommandFailed } from './failure.ts'

/** What the last step of `peer add` brings to our gateway. All of it is public. */
export type Enrolled = Pick<
  z.output<typeof enrolmentAnswer>,
  'certPem' | 'certChainPem' | 'grantId' | 'subjectUserId' | 'federationUrl'
>

const MEMBERS = ['grantId', 'subjectUserId', 'federationUrl'] as const
const CHAIN = '# chain'

function certificateFile(peerId: string): string {
  return `./peer-${peerId}.pem`
}

/** PEM, with lines before it that every reader of PEM passes over (RFC 7468 section 2). */
export function keepCertificate(
  peerId: string,
  enrolled: Enrolled,
): { file: string } | { file?: undefined; why: string } {
  const file = certificateFile(peerId)
  const members = MEMBERS.map((name) => `# ${name}: ${enrolled[name]}`)
  const text = [...members, enrolled.certPem.trim(), CHAIN, enrolled.certChainPem.trim(), ''].join('\n')
  try {
    writeFileSync(file, text, { mode: 0o600 })
    return { file }
  } catch (cause) {
    // What is on its way need not end here: most often nobody will need the file.
    return { why: (cause as NodeJS.ErrnoException).code ?? 'no reason' }
  }
}

export function dropCertificate(peerId: string): void {
  rmSync(certificateFile(peerId), { force: true })
}

/** @throws CommandFailed */
export function readCertificate(file: string): Enrolled {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new CommandFailed(
      'file_unusable',
      `${file} cannot be read (${(cause as NodeJS.ErrnoException).code}); name the file that peer add kept`,
    )
  }
  const member = (name: string) => new RegExp(`^# ${name}: (\\S+)$`, 'm').exec(text)?.[1]
  const [grantId, subjectUserId, federationUrl] = MEMBERS.map(member)
  const [certPem = '', certChainPem] = text.split(`\n${CHAIN}\n`).map((part) => part.replaceAll(/^# .*\n/gm, ''))
  if (!grantId || !subjectUserId || !federationUrl || certChainPem === undefined) {
    throw new CommandFailed(
      'certificate_invalid',
      `${file} is not one that peer add kept; go on with the enrolment URL instead`,
    )
  }
  return { certPem, certChainPem, grantId, subjectUserId, federationUrl }
}
