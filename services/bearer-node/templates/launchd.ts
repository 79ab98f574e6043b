import type { Installation } from './installation.ts'

type Value = string | number | boolean | readonly string[] | { readonly [key: string]: Value }

/** 0077, in decimal: property lists have no octal numbers. */
const UMASK = 63

/** The job of launchd (launchd.plist(5)). It holds no secret: the token stays in its file. */
export function launchdJob({ program, configFile, tokenFile, user }: Installation): string {
  const job = {
    Label: 'io.holdfast.bearer-node',
    ProgramArguments: [program, 'serve', '--require-auth', '--config', configFile],
    EnvironmentVariables: { HOLDFAST_CLUSTER_AUTH_TOKEN_FILE: tokenFile },
    UserName: user,
    Umask: UMASK,
    // It runs until it ends well; launchd starts it at boot with this, too, and never more often than every ten seconds.
    KeepAlive: { SuccessfulExit: false },
  }
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
${element(job, '')}
</plist>
`
}

function element(value: Value, indent: string): string {
  if (typeof value === 'string') return `${indent}<string>${escaped(value)}</string>`
  if (typeof value === 'number') return `${indent}<integer>${value}</integer>`
  if (typeof value === 'boolean') return `${indent}<${value}/>`
  const inner = `${indent}  `
  if (isList(value))
    return [`${indent}<array>`, ...value.map((one) => element(one, inner)), `${indent}</array>`].join('\n')
  const members = Object.entries(value).map(
    ([key, member]) => `${inner}<key>${escaped(key)}</key>\n${element(member, inner)}`,
  )
  return [`${indent}<dict>`, ...members, `${indent}</dict>`].join('\n')
}

function isList(value: Value): value is readonly string[] {
  return Array.isArray(value)
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
