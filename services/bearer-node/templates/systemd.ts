import type { Installation } from './installation.ts'

const STATE_ROOT = '/var/lib/'

/** The unit of systemd. It holds no secret: the token stays in its file. */
export function systemdUnit(given: Installation): string {
  const { clusterId, program, configFile, tokenFile, environmentFile, user, hasLowPort } = given
  return `[Unit]
Description=Runs pipelines with the peers of cluster ${clusterId}, with whom it shares one token
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
User=${user}
Environment=${word(`HOLDFAST_CLUSTER_AUTH_TOKEN_FILE=${tokenFile}`)}
EnvironmentFile=-${inPath(environmentFile)}
# systemd can hand the token over instead, which only root need be able to read then. It copies files at a start alone, so a roll of the
# token is a restart of each node. Take the two lines above out, and these two in:
#LoadCredential=${word(`bearer-node.token:${tokenFile}`)}
#Environment=HOLDFAST_CLUSTER_AUTH_TOKEN_FILE=%d/bearer-node.token
ExecStart=${[program, 'serve', '--require-auth', '--config', configFile].map(argument).join(' ')}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=10s
# What is configured wrongly, or a token file that others can read, is as wrong in ten seconds.
RestartPreventExitStatus=78
# It tells its stages itself, and gives them ten seconds.
KillMode=mixed
TimeoutStopSec=30s
UMask=0077
${stateLines(given).join('\n')}
NoNewPrivileges=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=strict
ProtectHome=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictSUIDSGID=yes
LockPersonality=yes
${hasLowPort ? 'AmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE' : 'CapabilityBoundingSet='}

[Install]
WantedBy=multi-user.target
`
}

/** systemd makes the folder for the state where that is where it makes such folders; any other it only leaves open to writes. */
function stateLines({ dataDir, writes }: Installation): string[] {
  const below = dataDir.startsWith(STATE_ROOT) ? dataDir.slice(STATE_ROOT.length) : undefined
  const open = [...(below === undefined ? [dataDir] : []), ...writes]
  return [
    `StateDirectory=${word(below ?? 'bearer-node')}`,
    'StateDirectoryMode=0700',
    ...open.map((path) => `ReadWritePaths=${word(path)}`),
  ]
}

/** systemd.unit(5), Specifiers: `%` begins one. */
function inPath(text: string): string {
  return text.replaceAll('%', '%%')
}

/** systemd.syntax(7), Quoting: one word, whatever it holds. */
function word(text: string): string {
  const escaped = inPath(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"')
  return /^[\w./:=@%+-]+$/.test(escaped) ? escaped : `"${escaped}"`
}

/** systemd.service(5), Command lines: `$` names a variable. */
function argument(text: string): string {
  return word(text).replaceAll('$', '$$$$')
}
