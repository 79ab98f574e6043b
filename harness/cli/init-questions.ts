import { createInterface } from 'node:readline/promises'
import type { LabOptions } from './init-lab.ts'
import { Interrupted } from './interruption.ts'

/** Puts a question, and resolves with the answer. */
type Ask = (question: string) => Promise<string>

/** What a user has, asked for on the terminal. @throws Interrupted at Ctrl-C, or where the terminal is gone */
export async function askWhatIsThere(): Promise<LabOptions & { stack?: 'express' }> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const gone = new AbortController()
  terminal.once('close', () => gone.abort())
  try {
    return await questions((question) => terminal.question(question, { signal: gone.signal }))
  } catch (cause) {
    throw gone.signal.aborted ? new Interrupted('SIGINT') : cause
  } finally {
    terminal.close()
  }
}

/** All questions, in their order; each only where the answer before asks for it. */
export async function questions(ask: Ask): Promise<LabOptions & { stack?: 'express' }> {
  const gateway = await choose(ask, 'What is your gateway?', {
    program: 'a program that can be started here',
    image: 'a container image',
    url: 'a service that is up at a URL',
    example: 'none yet: an example with Express to begin with',
  })
  if (gateway === 'example') return { stack: 'express', ...(await askForCa(ask)) }
  return {
    ...(await askForGateway(ask, gateway)),
    ...(gateway === 'url' ? {} : await askForProxy(ask)),
    ...(await askForServer(ask)),
    ...(await askForIssuer(ask)),
    ...(await askForCa(ask)),
  }
}

async function askForGateway(ask: Ask, gateway: 'program' | 'image' | 'url'): Promise<LabOptions> {
  const start = {
    program: async () => ({ run: await text(ask, 'How is it started, in this folder? (node gateway.mjs)') }),
    image: async () => ({ image: await text(ask, 'Which image?') }),
    url: async () => ({
      url: await text(ask, 'Where is it? (https://127.0.0.1:9443)'),
      reload: await maybe(ask, 'What makes it read its files anew? (empty: it watches them)'),
    }),
  }
  return {
    ...(await start[gateway]()),
    request: await text(ask, 'Which call needs a token? (GET /orders)'),
    scope: await maybe(ask, 'Which scope does it need? (empty: none)'),
  }
}

async function askForProxy(ask: Ask): Promise<LabOptions> {
  const behind = await choose(ask, 'Who ends TLS?', {
    itself: 'the gateway itself',
    nginx: 'nginx in front of it',
    haproxy: 'haproxy in front of it',
  })
  if (behind === 'itself') return {}
  return { behind, proxyConfig: await maybe(ask, 'Which configuration file of yours? (empty: one that is right)') }
}

async function askForServer(ask: Ask): Promise<LabOptions> {
  const server = await choose(ask, 'Whose certificate does it serve with?', {
    lab: 'one of the CA of the lab',
    own: 'one of another CA, a public one, say',
  })
  if (server === 'lab') return {}
  return {
    serverCa: await text(ask, 'Which file has the roots of that CA? ("system": those that this machine trusts)'),
    serverCert: await maybe(ask, 'Which file has the certificate? (empty: the gateway has it by itself)'),
    serverKey: await maybe(ask, 'Which file has its key? (empty: the gateway has it by itself)'),
  }
}

async function askForIssuer(ask: Ask): Promise<LabOptions> {
  const issuer = await choose(ask, 'Who issues the tokens?', {
    lab: 'an auth server of the lab',
    program: 'an OAuth server of yours that can be started here',
    image: 'a container image of an OAuth server of yours',
    url: 'an OAuth server of yours that is up at a URL',
  })
  if (issuer === 'lab') return {}
  const found = {
    program: async () => ({ issuerRun: await text(ask, 'How is it started, in this folder?') }),
    image: async () => ({ issuerImage: await text(ask, 'Which image?') }),
    url: async () => ({
      issuerUrl: await text(ask, 'Which is its issuer URL?'),
      issuerCa: await text(
        ask,
        'Which file has the root of its certificate? ("system": those that this machine trusts)',
      ),
    }),
  }
  const where = await found[issuer]()
  const clients = await maybe(ask, 'Its client_id of shop and of courier, with a blank between? (empty: those names)')
  const ids = clients?.split(' ').filter(Boolean) ?? []
  return { ...where, client: ids.map((id, place) => `${['shop', 'courier'][place]}=${id}`) }
}

async function askForCa(ask: Ask): Promise<LabOptions> {
  const ca = await choose(ask, 'Which CA signs the certificates?', {
    lab: 'one that is made anew for each run',
    root: 'yours, by the files of its root and the key of that',
    intermediate: 'yours, by the files of its root, and of an intermediate and the key of that',
    given: 'yours, by the files of its root and of certificates that it signed before',
    url: 'a step-ca that is up at a URL',
  })
  if (ca === 'lab') return {}
  const caRoot = await text(ask, 'Which file has the root certificate?')
  if (ca === 'url') {
    return {
      caRoot,
      caUrl: await text(ask, 'Where is it? (https://ca.example:9000)'),
      provisioner: await text(ask, 'What is the name of its JWK provisioner?'),
      provisionerPassword: await text(ask, 'Which file has the password of that?'),
    }
  }
  if (ca === 'given') {
    const where = 'Which folder has them, as cert-gateway.pem, cert-gateway.key, cert-shop.pem and so on?'
    return { caRoot, certificates: await text(ask, where) }
  }
  const caPassword = () => maybe(ask, 'Which file has the password of the key? (empty: it has none)')
  if (ca === 'root') {
    return { caRoot, caRootKey: await text(ask, 'Which file has its key?'), caPassword: await caPassword() }
  }
  return {
    caRoot,
    caCert: await text(ask, 'Which file has the certificate of the intermediate?'),
    caKey: await text(ask, 'Which file has its key?'),
    caPassword: await caPassword(),
  }
}

/** By its number; the first where nothing is typed. What is none is asked again. */
async function choose<Name extends string>(ask: Ask, what: string, choices: Record<Name, string>): Promise<Name> {
  const names = Object.keys(choices) as Name[]
  const lines = names.map((name, place) => `  ${place + 1}  ${choices[name]}`)
  for (;;) {
    const answer = (await ask(`${what}\n${lines.join('\n')}\n[1] `)).trim()
    const chosen = names[Number(answer || 1) - 1]
    if (chosen !== undefined) return chosen
  }
}

async function text(ask: Ask, what: string): Promise<string> {
  for (;;) {
    const answer = (await ask(`${what} `)).trim()
    if (answer !== '') return answer
  }
}

async function maybe(ask: Ask, what: string): Promise<string | undefined> {
  return (await ask(`${what} `)).trim() || undefined
}
