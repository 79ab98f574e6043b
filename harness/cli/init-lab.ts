import { join, relative, resolve } from 'node:path'
import { systemRoots } from '../pki/given.ts'

/** What a user has, as the options of `holdfast init` say it. Paths of files are those that he typed. */
export interface LabOptions {
  /** How the gateway is started, as typed; the name of its image; or where it is up already. */
  run?: string
  image?: string
  url?: string
  trust?: string
  reload?: string
  /** `GET /orders`. */
  request?: string
  scope?: string
  keys?: 'file' | 'issuer'
  behind?: 'haproxy' | 'nginx'
  proxyConfig?: string
  issuerRun?: string
  issuerImage?: string
  issuerUrl?: string
  issuerCa?: string
  /** `shop=shop-app`. */
  client?: readonly string[]
  caRoot?: string
  caRootKey?: string
  caCert?: string
  caKey?: string
  /** Of the key that signs: of the intermediate, or of the root where there is none. */
  caPassword?: string
  /** Folder with `cert-shop.pem`, `cert-shop.key` and so on, which that CA signed before. */
  certificates?: string
  caUrl?: string
  provisioner?: string
  provisionerKey?: string
  provisionerPassword?: string
  serverCa?: string
  serverCert?: string
  serverKey?: string
}

interface Lab {
  nodes: Record<'ca' | 'auth' | 'gateway', { units: Record<string, { kind: string; settings?: Settings }> }>
  credentials: Record<string, { handover: string }>
}
type Settings = Record<string, unknown>

/** The lab of the example, with what the user has in the places of what it begins with. `folder`: where `lab.json` will lie. */
export function labOf(lab: Lab, folder: string, options: LabOptions): Lab {
  const file = (path: string | undefined) =>
    path && (path === systemRoots ? path : relative(resolve(folder), resolve(path)))
  const { gateway, ca, auth } = lab.nodes
  gateway.units.gateway!.settings = gatewaySettings(options, file)
  const issuer = issuerSettings(options, file)
  if (issuer !== undefined) {
    auth.units = { auth: { kind: 'issuer', settings: issuer } }
    // Only an auth server of ours has operators; one that is up serves with a certificate of its own.
    delete lab.credentials.operator
    if (options.issuerUrl !== undefined) delete lab.credentials['cert-auth']
  }
  const named = Object.keys(lab.credentials).filter((name) => lab.credentials[name]!.handover === 'enrol')
  const authority = caSettings(options, file, named)
  if (authority !== undefined) ca.units.ca!.settings = authority
  return lab
}

type Named = (path: string | undefined) => string | undefined

function gatewaySettings(options: LabOptions, file: Named): Settings {
  const { run, image, url, trust, reload, request, scope, keys, behind, proxyConfig } = options
  const command = words(run ?? './my-gateway')
  return told({
    ...(url === undefined
      ? image === undefined
        ? { run: command }
        : { image }
      : { url, trust: file(trust) ?? './trust', reload: reload && words(reload) }),
    request: request ?? 'GET /',
    scope,
    behind: behind && told({ kind: behind, config: file(proxyConfig) }),
    serverCertificate: served(options, file),
    // Who cannot resolve the issuer's name reads its keys from the file, which is the default.
    keys: keys ?? (url === undefined && image === undefined && command[0] === 'node' ? 'issuer' : undefined),
    observe: 'status',
  })
}

function served({ serverCa, serverCert, serverKey }: LabOptions, file: Named): Settings | undefined {
  if (serverCa === undefined && serverCert === undefined && serverKey === undefined) return undefined
  return told({ ca: file(serverCa) ?? systemRoots, cert: file(serverCert), key: file(serverKey) })
}

function issuerSettings(
  { issuerRun, issuerImage, issuerUrl, issuerCa, client = [] }: LabOptions,
  file: Named,
): Settings | undefined {
  if ((issuerRun ?? issuerImage ?? issuerUrl) === undefined) return undefined
  const clients = client.map((text) => text.split('=')).map(([node = '', id]) => [node, { id }] as const)
  return told({
    ...(issuerUrl === undefined
      ? { run: issuerRun && words(issuerRun), image: issuerImage }
      : // It cannot know the clients and the CA of a run, which are handed to a folder therefore.
        { url: issuerUrl, ca: file(issuerCa) ?? systemRoots, trust: './trust-issuer' }),
    clients: clients.length > 0 ? Object.fromEntries(clients) : undefined,
  })
}

function caSettings(options: LabOptions, file: Named, names: readonly string[]): Settings | undefined {
  const { caRoot, caRootKey, caCert, caKey, caPassword, caUrl, provisioner, provisionerKey, provisionerPassword } =
    options
  if (caRoot === undefined && caCert === undefined && caUrl === undefined) return undefined
  const intermediate = caCert && told({ cert: file(caCert), key: file(caKey), password: file(caPassword) })
  const rootPassword = caCert === undefined && caRootKey !== undefined ? caPassword : undefined
  const { certificates: folder } = options
  const signed = (name: string) => ({
    cert: file(join(folder!, `${name}.pem`)),
    key: file(join(folder!, `${name}.key`)),
  })
  return told({
    root: caRoot && told({ cert: file(caRoot), key: file(caRootKey), password: file(rootPassword) }),
    intermediate,
    certificates: folder && Object.fromEntries(names.map((name) => [name, signed(name)])),
    url: caUrl,
    provisioner:
      provisioner && told({ name: provisioner, key: file(provisionerKey), password: file(provisionerPassword) }),
  })
}

/** Without what was left open. */
function told(settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
}

function words(command: string): string[] {
  return command.split(' ').filter(Boolean)
}
