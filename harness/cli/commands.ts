import { Argument, Command, InvalidArgumentError, Option, type OptionValues } from 'commander'
import { secondsFromNow } from '../faults/clock/parse-at.ts'
import { familyNames } from '../shipped-families.ts'
import { backendNames, namedBackends } from './options.ts'
import { columnsOf, hanging } from './output.ts'
import { askedReports } from './reports.ts'

interface CommandLine {
  description: string
  argument?: Argument
  options: readonly Option[]
  help?: string
  /** What it does, called with argument and options. Loaded only when it runs, so that help and `list` come at once. */
  load: (options: OptionValues) => Promise<(...given: never[]) => Promise<void>>
}

const option = (flags: string, description: string) => new Option(flags, description)
const json = (what = 'print the result as one JSON value') => option('--json', what)
const backend = option('--backend <name>', 'where nodes run (default: "process")').choices(backendNames)
const topologyPlace = 'name of a topology (see npx holdfast list), or the path of a .nix, .json or .ts file'
const topology = new Argument('<topology>', topologyPlace)

/** One, or several that are held against each other. */
const grounds = option(
  '--backend <names>',
  'where nodes run (default: "process"); several, as process,netns, are held against each other',
).argParser((text: string) => namedBackends(text))

/** `--set nodes=4 --set auth=shared`. */
const set = option('--set <key=value>', 'parameter of the topology; may be repeated')
  .default({}, 'the topology’s own defaults')
  .argParser((text: string, previous: Record<string, string>) => {
    const split = /^([A-Za-z][\w-]*)=(.*)$/s.exec(text)
    if (split === null) throw new InvalidArgumentError('Write it as key=value, for example nodes=4.')
    const [, key = '', value = ''] = split
    if (Object.hasOwn(previous, key)) throw new InvalidArgumentError(`"${key}" is set twice.`)
    return { ...previous, [key]: value }
  })

const name = option('-t, --name <text>', 'only tests with this in their name, as a failure tells it')
const reporter = option(
  '--reporter <form[=file]>',
  'for CI, into a file or in place of the text: junit, sarif, or github, whose lines follow the text; may be repeated',
).argParser(askedReports)
const quiet = option('-q, --quiet', 'tell causes of failures and the verdict, and nothing else')

/** How far from now clocks begin, in seconds. */
const at = option('--at <offset>', 'run in the future or the past: +30d, +1y, -2h; units s m h d w y').argParser(
  (text) => {
    const seconds = secondsFromNow(text)
    if (seconds === undefined) throw new InvalidArgumentError('Write a sign, a number and a unit, for example +30d.')
    return seconds
  },
)

function listed(flags: string, description: string): Option {
  const parts = (text: string) => text.split(',').map((part) => part.trim())
  return option(flags, description).argParser((text, previous: readonly string[] = []) => [...previous, ...parts(text)])
}

/** In the order of the help. */
const commandLines: Readonly<Record<string, CommandLine>> = {
  list: {
    description: 'List the topologies that come with Holdfast, and their parameters; or the backends.',
    options: [option('--backends', 'what nodes can have on each backend, and what of that this machine lacks'), json()],
    help: `Examples:
  npx holdfast list
  npx holdfast list --backends
  npx holdfast up shared-auth --set nodes=5
  npx holdfast check ./lab.nix          a topology of your own is given by its path`,
    load: async () => (await import('./list.ts')).list,
  },
  check: {
    description: 'Find every mistake of a topology without starting anything, and show what it comes to.',
    argument: new Argument('[topology]', topologyPlace),
    options: [
      set,
      option('--picture <form>', 'print a picture of who trusts whom')
        .choices(['mermaid', 'svg'])
        .conflicts(['json', 'matrix', 'full']),
      option('--schema', 'print the JSON Schema of a topology').conflicts(['picture', 'matrix', 'full']),
      option('--matrix', 'print every call that could be tried, with its verdict and reason, by classes'),
      option('--full', 'with --matrix: every cell, not one of each class').implies({ matrix: true }),
      json('print the plan, or the matrix, as one JSON value; with mistakes, those'),
    ],
    help: `Examples:
  npx holdfast check separate-auth
  npx holdfast check ./lab.json --set nodes=3
  npx holdfast check shared-auth --picture svg > shared-auth.svg
  npx holdfast check separate-auth --matrix             what must be refused, and for which reason

Exit code 1 when the topology has mistakes: all of them are told, each with its place and the way out. So are things that
cannot be meant (an audience that is almost a node's, a lifetime that ends within a run), below the topology.`,
    load: async () => (await import('./check.ts')).check,
  },
  demo: {
    description: 'Run a topology, and show what it accepts, what it refuses, and who said so.',
    argument: topology,
    options: [backend, set, json()],
    help: `Examples:
  npx holdfast demo separate-auth      two organisations come up and peer; what npm start shows
  npx holdfast demo shared-auth --set nodes=3
  npx holdfast demo nats-orchestrator  a hand-over verified step by step, and each step seen to fail
  npx holdfast demo ./lab.json         a topology of your own

Of each kind of target one call is made that it accepts, and for each guard one that it refuses. A refusal counts only
beside an accepted call, and each row only by the record that the called node wrote. npx holdfast test tries them all.`,
    load: async () => (await import('./demo.ts')).demo,
  },
  up: {
    description: 'Run a topology, and print how to call each of its nodes. It runs until Ctrl-C.',
    argument: topology,
    options: [
      backend,
      set,
      option('-d, --detach', 'return when it is ready, and leave it running in the background'),
      new Option('--background').hideHelp(),
      option('--keep', 'leave it running when a unit fails, and say how to reach it'),
      json('print the ready site as one JSON value'),
    ],
    help: `Examples:
  npx holdfast up separate-auth
  npx holdfast up shared-auth --set nodes=5
  npx holdfast up ./lab.json --detach --json
  npx holdfast down

Progress goes to stderr; when the site is ready, stdout gets for each node its address, its listeners, commands to
paste into a shell that call it with the certificate and the token of its peers, and where its logs are.`,
    load: async ({ detach }) => (detach ? (await import('./detach.ts')).upDetached : (await import('./up.ts')).up),
  },
  down: {
    description: 'End a running topology, and wait until nothing of it is left.',
    argument: new Argument('[run]', 'label of the run, as holdfast up printed it; needless when only one is running'),
    options: [option('-a, --all', 'end every run that was started in this folder or below it'), json()],
    help: `Examples:
  npx holdfast down              the only one that was started here; when there are several, it lists them
  npx holdfast down separate-auth-3fa9c2
  npx holdfast down --all

Runs of other folders are listed, and ended only by their label.`,
    load: async () => (await import('./down.ts')).down,
  },
  test: {
    description:
      'Run scenarios, and what follows from a topology; end with a verdict: passed, failed, did not run and why.',
    argument: new Argument(
      '[filter...]',
      'part of a scenario’s path, or a topology by its name or the path of its file; all scenarios when none is given',
    ),
    options: [
      grounds,
      set,
      option('--keep', 'hold the site of a failed scenario until you end it, and say how to reach it'),
      at,
      name,
      option('--last-failed', 'only tests that failed in the last run in this folder'),
      option('--bail', 'end the run at the first cause of a failure'),
      option('--full', 'try every cell of a matrix, not one of each class'),
      quiet,
      reporter,
      json('print the verdict as one JSON value'),
    ],
    help: `Examples:
  npx holdfast test                                     every *.scenario.ts below this folder
  npx holdfast test separate-auth                       those of one topology
  npx holdfast test ./lab.json                          a topology of your own: its matrix, the attacks, its scenarios
  npx holdfast test stolen --set nodes=4 --keep         those with "stolen" in their path
  npx holdfast test --at +30d                           all of them, as they will be in 30 days
  npx holdfast test separate-auth --backend process,netns    whether both grounds see the same
  npx holdfast test --last-failed                       those that failed last, in this folder
  npx holdfast test --json > verdict.json
  npx holdfast test --reporter junit=out/holdfast.xml --reporter github        in CI

Failures are told by cause, first where nobody is let in at all: then nothing else is tried there. Each cause is told once, with
what was sent, what came, and how to run it again; .holdfast/last-test.md names the pages of all that follow from it. What
this machine cannot run is counted apart, with the reason; it never counts as passed. Over Holdfast's own services the verdict ends
with the guards that refused something; --json lists each with the scenarios that provoked it.

With several backends the same runs on one after the other, each ends with its verdict, and the last line tells their parity: a test
of which one saw another verdict, layer, status, error, reason, guard or principal is a failure by name (exit code 1), and so is one
that is missing on one of them. What one of them cannot run is counted apart, with the reason.`,
    load: async () => (await import('./test.ts')).test,
  },
  attack: {
    description: 'Try on the targets of a topology all that must not work on them, and judge each refusal.',
    argument: topology,
    options: [
      listed('--family <names>', `only these families: ${familyNames.join(', ')}`),
      listed('--case <ids>', 'only these cases: GEN-12,TLS-03'),
      listed('--target <names>', 'only these nodes, or actions of them: node-a,"node-b node:read"'),
      option(
        '--list',
        'start nothing: only list what would be tried where, what must come of it, and what not and why',
      ),
      option('--full', 'try every target, not one of each kind'),
      name,
      option('--bail', 'end the run at the first cause for which an attack came out otherwise'),
      quiet,
      reporter,
      backend,
      set,
      option('--keep', 'hold the site of an attack that came out otherwise until you end it'),
      json('print the list, or the verdict, as one JSON value'),
    ],
    help: `Examples:
  npx holdfast attack separate-auth --list              the catalogue for that topology
  npx holdfast attack separate-auth --case GEN-01 --list       each of its variants, and what must come of it
  npx holdfast attack separate-auth --family gen
  npx holdfast attack ./lab.json --target gateway       on a service of your own

Each variant of a case on each target is one test, beside a call that is accepted; it must be refused as listed, for its
own reason, without effect, leak or hint. A case that applies to no target is listed with the reason, and never counts.`,
    load: async () => (await import('./attack.ts')).attack,
  },
  sabotage: {
    description: 'Take each guard out of its service in turn: the scenarios that cover it must fail.',
    argument: new Argument(
      '[filter...]',
      'name of a topology, or part of a scenario’s path; all scenarios when none is given',
    ),
    options: [
      option('--guard <service/guard>', 'only this guard; may be repeated')
        .default([])
        .argParser((name, all: readonly string[]) => [...all, name]),
      option('--list', 'run nothing without a guard: only list them, with the scenarios that cover each'),
      option('--subtle', 'small changes inside of guards, and of what they call, in place of whole guards'),
      option('--file <part>', 'with --subtle: only in modules with this in their path').implies({ subtle: true }),
      option('--calls <count>', 'with --subtle: only so many calls away from a guard, 0 for inside of one')
        .argParser(Number)
        .implies({ subtle: true }),
      option('--most <count>', 'with --subtle: try so many and end; the next run goes on')
        .argParser(Number)
        .implies({ subtle: true }),
      option('--afresh', 'with --subtle: forget what earlier runs found').implies({ subtle: true }),
      backend,
      set,
      json(),
    ],
    help: `Examples:
  npx holdfast sabotage                                        every guard of every service
  npx holdfast sabotage separate-auth                          by the scenarios of one topology
  npx holdfast sabotage --guard orchestrator/token.binding     one guard only
  npx holdfast sabotage --subtle --most 300                    300 small changes inside of guards

First all scenarios run with every guard in place; that shows which of them provoke which guard. A guard counts as
killed when a scenario then says that what it expects does not hold; a site that does not come up proves nothing.

With --subtle, each test runs once with every mutant that it covers: a comparison by prefix, a condition that is
left out, a bound that is another one. What survives is listed by file and line. A run goes on where the one before
ended, and tries what none has killed.`,
    load: async () => (await import('./sabotage.ts')).sabotage,
  },
  init: {
    description: 'Write a project that proves your own gateway: a topology that declares it, and a first scenario.',
    argument: new Argument('[folder]', 'where to; made if need be').default('.'),
    options: [
      option('--stack <name>', 'an example gateway to begin with').choices(['express', 'none']),
      option('--run <command>', 'how your gateway is started, in that folder: "node gateway.mjs"').conflicts([
        ...['stack', 'image', 'url'],
      ]),
      option('--image <name>', 'or its container image, which docker runs').conflicts(['stack', 'url']),
      option('--url <url>', 'or where it is up already').conflicts('stack'),
      option('--trust <folder>', 'with --url: where it finds whom to believe in a run (default: "./trust")'),
      option('--reload <command>', 'with --url: what makes it read that folder anew'),
      option('--request <text>', 'the call that needs a token: "GET /orders"').conflicts('stack'),
      option('--scope <text>', 'the scope that the call needs').conflicts('stack'),
      option('--keys <from>', 'where it has the keys of the issuer from').choices(['file', 'issuer']),
      option('--behind <proxy>', 'the proxy in front, which ends TLS').choices(['haproxy', 'nginx']).conflicts('stack'),
      option('--proxy-config <file>', 'your own configuration of it'),
      option('--server-ca <file>', 'roots of the CA that certifies the gateway, a public one, say; or "system"'),
      option('--server-cert <file>', 'the certificate of that CA'),
      option('--server-key <file>', 'the key of that'),
      option('--issuer-run <command>', 'how your OAuth server is started').conflicts('issuerUrl'),
      option('--issuer-image <name>', 'or its container image').conflicts(['issuerRun', 'issuerUrl']),
      option('--issuer-url <url>', 'or where it is up already, as in "iss"'),
      option('--issuer-ca <file>', 'with --issuer-url: the root of its own certificate (default: "system")'),
      listed('--client <node=id,…>', 'the client_id of shop and courier there, where it is another name'),
      option('--ca-root <file>', 'the root certificate of your CA'),
      option('--ca-root-key <file>', 'its key'),
      option('--ca-cert <file>', 'your intermediate, which signs in place of the root'),
      option('--ca-key <file>', 'its key'),
      option('--ca-password <file>', 'the password of the key that signs'),
      option('--certificates <folder>', 'with --ca-root: what it signed before, as cert-shop.pem and cert-shop.key'),
      option('--ca-url <url>', 'your step-ca, which is up already below --ca-root'),
      option('--provisioner <name>', 'with --ca-url: its JWK provisioner'),
      option('--provisioner-key <file>', 'the private JWK of that (default: the CA is asked for it)'),
      option('--provisioner-password <file>', 'the password of that key'),
      json(),
    ],
    help: `Examples:
  npx holdfast init                                                       on a terminal: asks what you have
  npx holdfast init lab --stack express                                   a project with a small gateway in it
  npx holdfast init --run "node gateway.mjs" --request "GET /orders"      for the gateway that is here
  npx holdfast init --run ./gateway --behind nginx --ca-root root.pem --ca-cert ca.pem --ca-key ca.key
  npx holdfast init --url https://127.0.0.1:9443 --server-ca system --issuer-url https://idp.example --issuer-ca corp.pem

Files are named as seen from where you type; in lab.json they stand as seen from there. What holdfast check would say against the
lab is said at once.
Nothing is overwritten: package.json, README.md and .gitignore stay as they are, and where any other file is there already,
nothing is written at all.`,
    load: async () => (await import('./init.ts')).init,
  },
  doctor: {
    description: 'say which programs are here, where, which version, and what to type about those that are not',
    options: [
      option('--install', 'build the programs that are missing, once'),
      option(
        '--overlay',
        'with --install: those builds, too, that follow the clock and the host names of a run',
      ).implies({ install: true }),
      json(),
    ],
    load: async () => (await import('./doctor.ts')).doctor,
  },
  sweep: {
    description:
      'Remove what crashed runs left: processes and folders that carry the label of a run. Live runs are left alone.',
    options: [json()],
    help: `A run is alive as long as the process that stood it up. Its evidence is kept, and completed with the decision records
that its nodes had written. What cannot be looked for, as on machines that nobody names, is told with the reason (exit code 1), and can be
swept later.

Examples:
  npx holdfast sweep
  npx holdfast sweep --json`,
    load: async () => (await import('./sweep.ts')).sweep,
  },
  serve: {
    description: 'Let nodes run on this machine, led from another one by the backend machines, until Ctrl-C.',
    options: [
      option('--listen <address:port>', 'where it is led from').makeOptionMandatory(),
      option(
        '--key <file>',
        'file of mode 0600 with the key of those who may lead it: 64 hexadecimal digits',
      ).makeOptionMandatory(),
      option('--dir <folder>', 'folder of runs, made with mode 0700').makeOptionMandatory(),
    ],
    help: `Whoever has the key runs programs here, as the user of this command; he and this end prove it to each other, and all that they
say is encrypted. One run at a time has the lead: a second one is refused with the name of the first. When he who leads is gone, or
silent for 30 s, his programs end and his folders are removed. On NixOS, the module holdfast-node runs it.

Examples:
  openssl rand -hex 32 | install -m 600 /dev/stdin key
  npx holdfast serve --listen 127.0.0.1:7780 --key key --dir runs`,
    load: async () => (await import('./serve.ts')).serve,
  },
}

/** On a terminal that is narrower than the text, its lines go on below. */
function fitting(help: string): string {
  return help.replaceAll(/.+/g, (line) => hanging(line, columnsOf(process.stdout), line.startsWith(' ') ? 4 : 0))
}

export function program(version: string): Command {
  const root = new Command('holdfast')
    .description(
      'Stands up real CAs, auth servers and peered nodes from one topology, and proves which credentials are accepted, ' +
        'which are refused, and why.',
    )
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureHelp({ helpWidth: Math.min(100, columnsOf(process.stdout)) })
    .showHelpAfterError('Type npx holdfast --help, or npx holdfast help <command>, for what is possible.')
    .addHelpText('after', `\n${fitting(rootExamples)}`)
    .exitOverride()
  for (const [name, { description, argument, options, help, load }] of Object.entries(commandLines)) {
    const command = root.command(name).description(description)
    if (argument !== undefined) command.addArgument(argument)
    for (const option of options) command.addOption(option)
    if (help !== undefined) command.addHelpText('after', `\n${fitting(help)}`)
    command.action(async (...given) => (await load(command.opts()))(...(given as never[])))
  }
  return root
}

const rootExamples = `Examples:
  npx holdfast list                     which topologies there are
  npx holdfast demo separate-auth       see what one accepts and refuses, and who says so
  npx holdfast up separate-auth         run one, and see how to call its nodes
  npx holdfast test separate-auth       prove what it claims
  npx holdfast attack separate-auth     try everything that must not work on it
  npx holdfast doctor                   see whether this machine has what it needs

Exit codes: 0 nothing failed; 1 something failed; 2 the command line was wrong, or names a topology, parameter, run,
guard or filter that is not there; 130 Ctrl-C. With --json an error is one JSON value too: { "error": { code, message } }.
HOLDFAST_DEBUG=1 adds stack traces to errors.`
