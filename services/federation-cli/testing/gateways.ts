import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestCa } from '../../federation-gateway/testing/certificates.ts'
import { holdServer, json, type LiveServer, liveRoot, liveServer } from '../../federation-gateway/testing/live.ts'
import { ADMIN_ROUTES, type AdminAction, type AdminAnswer } from '../../federation-gateway/wire/admin.ts'
import { bareEnvironment } from '../../shared/testing/environment.ts'
import { outputOf, type Ran } from '../../shared/testing/output.ts'

// Two gateways without anything behind them: real servers that take what the wire says, and answer what a test wants.

export const OURS = 'a.somebiz.local.io'
export const THEIRS = 'b.somebiz.local.io'
export const ADMIN_TOKEN = 'admin-token-that-nobody-may-see-anywhere'

export interface Heard {
  readonly action: AdminAction | undefined
  readonly url: string
  readonly body: unknown
}

type Answers = { [Action in AdminAction]?: (body: never, heard: Heard) => AdminAnswer<Action> | Refusal | Raw }

export interface Refusal {
  readonly refuse: number
  readonly error: object
}
export interface Raw {
  readonly raw: (response: ServerResponse) => void
}

export interface Site extends AsyncDisposable {
  readonly folder: string
  readonly root: TestCa
  readonly otherRoot: TestCa
  readonly ours: LiveServer
  readonly theirs: LiveServer
  readonly heard: Heard[]
  answers: Answers
  /** What the other gateway does with a request. */
  enrolment: (request: IncomingMessage, response: ServerResponse, body: string) => void
  put(name: string, text: string, mode?: number): string
  run(args: readonly string[], options?: RunOptions): Promise<Ran>
  begin(args: readonly string[], options?: RunOptions): { readonly child: ChildProcess; readonly ended: Promise<Ran> }
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
}

const NAMES = new URL('../../shared/testing/loopback-names.ts', import.meta.url).href

export async function makeSite(): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'federation-cli-'))
  const [root, otherRoot] = [await liveRoot('ours'), await liveRoot('theirs')]
  const [own, other] = [await holdServer(root, [OURS]), await holdServer(otherRoot, [THEIRS])]
  const heard: Heard[] = []
  const ours = await liveServer(own, (request, response, body) => answerAs(site, request, response, body))
  const theirs = await liveServer(other, (request, response, body) => site.enrolment(request, response, body))
  const put = (name: string, text: string, mode = 0o600) => {
    const path = join(folder, name)
    writeFileSync(path, text)
    chmodSync(path, mode)
    return path
  }
  const env = {
    ...bareEnvironment,
    FEDERATION_URL: `https://${OURS}:${ours.port}`,
    FEDERATION_ADMIN_TOKEN_FILE: put('admin.token', `${ADMIN_TOKEN}\n`),
    FEDERATION_CA: put('root.pem', String(root.certificate)),
  }
  const begin: Site['begin'] = (args, options = {}) => {
    const flags = ['--conditions=holdfast-source', '--disable-warning=ExperimentalWarning', '--import', NAMES]
    const main = join(import.meta.dirname, '../main.ts')
    const child = spawn(process.execPath, [...flags, main, ...args], { cwd: folder, env: { ...env, ...options.env } })
    const output = outputOf(child)
    child.stdin.end(options.input ?? '')
    const ended = output.ended.then((ran) => {
      if (`${ran.stdout}${ran.stderr}`.includes(ADMIN_TOKEN)) throw new Error('the admin token was printed')
      return ran
    })
    return { child, ended }
  }
  const site: Site = {
    ...{ folder, root, otherRoot, ours, theirs, heard, put, begin, answers: {} },
    enrolment: (_, response) => json(response, 404, {}),
    run: (args, options) => begin(args, options).ended,
    async [Symbol.asyncDispose]() {
      await Promise.all([ours[Symbol.asyncDispose](), theirs[Symbol.asyncDispose]()])
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return site
}

const REQUEST_ID = 'f0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'

export function errorBody(code: string, more: object = {}): object {
  return { error: { code, message: 'The text of its status.', requestId: REQUEST_ID, ...more } }
}

/** As the routes of a gateway do: who has no token, and what is not as it should be, is refused. */
function answerAs(site: Site, request: IncomingMessage, response: ServerResponse, text: string): void {
  const { pathname, searchParams } = new URL(request.url!, site.ours.url)
  const action = actionOf(request.method!, pathname)
  const body = text === '' ? undefined : JSON.parse(text)
  const heard: Heard = { action, url: request.url!, body }
  site.heard.push(heard)
  const given = answerTo(site, heard, Object.fromEntries(searchParams), request.headers.authorization)
  if ('raw' in given) given.raw(response)
  else if ('refuse' in given) json(response, given.refuse, given.error)
  else json(response, ADMIN_ROUTES[action!].status, given)
}

function answerTo(site: Site, heard: Heard, query: object, authorization: string | undefined): Refusal | Raw | object {
  const { action, body } = heard
  if (authorization !== `Bearer ${ADMIN_TOKEN}`) return { refuse: 401, error: errorBody('invalid_token') }
  const answer = action && site.answers[action]
  if (answer === undefined) return { refuse: 404, error: errorBody('not_found') }
  const route = ADMIN_ROUTES[action!]
  const mistake =
    ('body' in route ? route.body.safeParse(body ?? {}).error : undefined) ?? route.query.safeParse(query).error
  if (mistake === undefined) return answer(body as never, heard)
  return { refuse: 400, error: errorBody('invalid_request', { details: [{ path: '', message: String(mistake) }] }) }
}

function actionOf(method: string, pathname: string): AdminAction | undefined {
  // It looks like an id.
  if (pathname.endsWith('/keypair')) return 'peer:keypair'
  return (Object.keys(ADMIN_ROUTES) as AdminAction[]).find((action) => {
    const { method: ours, path } = ADMIN_ROUTES[action]
    return ours === method && new RegExp(`^${path.replaceAll(/:[a-z]+/g, '[^/]+')}$`).test(pathname)
  })
}
