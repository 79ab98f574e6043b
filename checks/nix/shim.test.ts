import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { machinesOf, parseMachines } from '../../harness/backends/machines/machines-file.ts'
import type { Plan } from '../../harness/topology/plan.ts'
import { root } from '../check.ts'
import { allNixes, evaluated, reasonOf, shimWith, temporary } from './nix.ts'

const nixes = await allNixes()
const [own] = nixes
const reason = reasonOf(own.missing)
const withNix = test.skipIf(own.missing !== undefined)

withNix(`an option that is not on the list, or of another type, is refused by its name${reason}`, async () => {
  const render = (module: string) => {
    const apply = `l: let pkgs = import ${root}/nix/shim/packages.nix "x86_64-linux"; in (l.toNixosTest { inherit pkgs; holdfast = pkgs.openssl; topology = l.topologies.transit; modules = [ (${module}) ]; }).rendered.nodes`
    return evaluated(own, ['--impure', '--apply', apply, '.#lib'])
  }

  await expect(render('{ networking.firewall.enable = false; }')).resolves.toHaveProperty('runner')
  const refused = {
    '{ services.nonsense.enable = true; }': 'the option services.nonsense.enable is not on the list of NixOS options',
    '{ networking.firewall.enable = "no"; }': 'the option networking.firewall.enable is no boolean, but string',
    '{ networking.firewall.enable = true; }': 'networking.firewall.enable has 2 definitions that differ',
    '{ services.holdfast-node.port = 70000; }': 'the option services.holdfast-node.port is no port, but int',
    '{ services.holdfast-node.prot = 1; }': 'the option services.holdfast-node.prot is not on the list',
    '{ lib, ... }: { config = lib.mkIf true { services.other = 1; }; }': 'the option services.other is not on the list',
    '{ config = { }; networking.hosts = { }; }': 'a module has config or options, and beside them networking',
  }
  for (const [module, words] of Object.entries(refused)) {
    await expect(render(module), module).rejects.toMatchObject({ stderr: expect.stringContaining(words) })
  }
  // What is not so, is not looked at.
  await expect(render('{ lib, ... }: { config = lib.mkIf false { services.other = 1; }; }')).resolves.toBeDefined()
})

withNix(
  `a topology with more nodes than a test has addresses for is refused where it is evaluated${reason}`,
  async () => {
    const named = (nodes: number) => {
      const topology = `{
      name = "crowd"; summary = "Many."; trustDomains = { }; credentials = { }; accepts = [ ];
      nodes = builtins.listToAttrs (builtins.genList (i: { name = "n\${toString i}"; value = { host = "n\${toString i}.test"; units = { }; }; }) ${nodes});
    }`
      const apply = `l: let pkgs = import ${root}/nix/shim/packages.nix "x86_64-linux"; in (l.toNixosTest { inherit pkgs; holdfast = pkgs.openssl; topology = ${topology}; }).rendered.name`
      return evaluated(own, ['--impure', '--apply', apply, '.#lib'])
    }

    // With the runner the last of them has 199, and strangers begin at 200.
    await expect(named(198)).resolves.toBe('holdfast-vm-crowd')
    await expect(named(199)).rejects.toMatchObject({
      stderr: expect.stringContaining(
        'crowd has 199 nodes, and a NixOS test has addresses for 198: give it fewer, or run it with toCheck',
      ),
    })
  },
)

/** Three hosts in two networks, of which the gateway is in both. */
const twoNetworks = `{
  name = "lab"; summary = "Two networks."; trustDomains = { }; credentials = { }; accepts = [ ];
  networks = { outside = { }; inside = { }; };
  nodes = {
    auth = { host = "auth.test"; networks = [ "inside" ]; units = { }; };
    gateway = { host = "gateway.test"; networks = [ "outside" "inside" ]; units = { }; };
    client = { host = "client.test"; networks = [ "outside" ]; units = { }; };
  };
}`

withNix(`a topology with several networks becomes a test with a virtual LAN for each${reason}`, async () => {
  const render = async (ground: string) => {
    const apply = `l: let pkgs = import ${root}/nix/shim/packages.nix "x86_64-linux"; in (l.toNixosTest { inherit pkgs; holdfast = pkgs.openssl; topology = ${twoNetworks}; ground = "${ground}"; }).rendered.${ground}`
    return (await evaluated(own, ['--impure', '--apply', apply, '.#lib'])) as Record<string, Record<string, unknown>>
  }
  const machines = await render('nodes')
  const vlans = Object.entries(machines).map(([name, options]) => [name, options['virtualisation.vlans']])
  // Named `inside` and `outside`: the first has number 1. Machines are numbered by their names.
  expect(Object.fromEntries(vlans)).toEqual({ auth: [1], client: [2], gateway: [2, 1], runner: [1, 2] })
  const hosts = Object.entries(machines).map(([name, options]) => [name, options['networking.hosts']])
  const [auth, client, inside, outside] = ['192.168.1.1', '192.168.2.2', '192.168.1.3', '192.168.2.3']
  expect(Object.fromEntries(hosts)).toEqual({
    auth: { [auth]: ['auth.test'], [inside]: ['gateway.test'] },
    client: { [client]: ['client.test'], [outside]: ['gateway.test'] },
    gateway: { [auth]: ['auth.test'], [client]: ['client.test'], [outside]: ['gateway.test'] },
    runner: { [auth]: ['auth.test'], [client]: ['client.test'], [outside]: ['gateway.test'] },
  })
  expect(machines.gateway).toMatchObject({ 'services.holdfast-node.address': outside })

  // As the backend reads it.
  const file = JSON.parse(machines.runner!['environment.etc.holdfast/machines.json.text'] as string)
  const found = { ...parseMachines(file), file: 'machines.json' }
  const plan = { nodes: { gateway: { name: 'gateway', networks: ['outside', 'inside'] } } } as unknown as Plan
  expect(machinesOf(plan, found)).toMatchObject({ gateway: { address: outside, addresses: { outside, inside } } })
  expect(found).toMatchObject({ networks: true, faults: { folder: '/run/holdfast/faults', ownKernel: true } })
  const cards = machines.runner as Record<string, { address: string }[]>
  for (const [network, card] of [
    ['inside', 'eth1'],
    ['outside', 'eth2'],
  ] as const) {
    const addresses = cards[`networking.interfaces.${card}.ipv4.addresses`]!.map(({ address }) => address)
    expect(found.strangers[network]).toEqual(addresses)
  }
  expect(found.strangers.outside![0]).toBe('192.168.2.200')

  const containers = await render('containers')
  expect(containers.gateway).toMatchObject({ 'virtualisation.vlans': [2, 1] })
  expect(containers.runner!['environment.etc.holdfast/machines.json.text']).toContain('"ownKernel":false')
})

withNix(`every option on the list is used: what nothing sets any more is off it${reason}`, async () => {
  const apply =
    'cs: map (c: map (nodes: builtins.attrValues (builtins.mapAttrs (_: builtins.attrNames) nodes)) [ c.rendered.nodes c.rendered.containers ]) [ cs.vm-nats-orchestrator cs.container-transit ]'
  const used = new Set(((await evaluated(own, ['--apply', apply, '.#checks.x86_64-linux'])) as string[][][][]).flat(3))
  const listed = Object.keys(JSON.parse(await readFile(join(root, 'nix', 'shim', 'options.json'), 'utf8')))
  const fits = (pattern: string) => {
    const form = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll(/<\w+>/g, '.+')}$`)
    return [...used].some((option) => form.test(option))
  }

  expect(listed.filter((pattern) => !fits(pattern))).toEqual([])
})

withNix(`a salt is in every derivation: what an earlier run built is never taken for this one's${reason}`, async () => {
  const drvs = async (salt: string) => {
    await using folder = await temporary()
    const shim = await shimWith(folder.path, { salt })
    const apply =
      'cs: builtins.mapAttrs (_: one: one.drvPath) { inherit (cs) topology-transit scenarios-transit netns-transit vm-transit container-transit; }'
    return (await evaluated(own, ['--apply', apply, '.#checks.x86_64-linux'], { shim })) as Record<string, string>
  }
  const [first, second] = [await drvs('1'), await drvs('2')]

  expect(Object.keys(first)).not.toEqual([])
  expect(Object.keys(first).filter((name) => first[name] === second[name])).toEqual([])
})

/** A change of `separate-auth`, and what Nix says of it. `t` is its value. */
const mutations: Readonly<Record<string, string>> = {
  't // { nodes = t.nodes // { Bad = t.nodes.ca-a // { host = "x.test"; }; }; }': 'nodes.Bad: bad name',
  't // { extra = 1; }': 'topology.extra: unknown member',
  't // { nodes = t.nodes // { ca-a = t.nodes.ca-a // { colour = "red"; }; }; }': 'nodes.ca-a.colour: unknown member',
  't // { nodes = t.nodes // { ca-a = t.nodes.ca-a // { domain = "org-z"; }; }; }':
    'nodes.ca-a.domain: trust domain "org-z" is not declared',
  't // { nodes = t.nodes // { ca-a = t.nodes.ca-a // { host = t.nodes.ca-b.host; }; }; }': 'is the host of two nodes',
  't // { nodes = t.nodes // { ca-a = t.nodes.ca-a // { units.ca = t.nodes.ca-a.units.ca // { port = 1; }; }; }; }':
    'nodes.ca-a.units.ca.port: unknown member',
  't // { nodes = t.nodes // { ca-a = t.nodes.ca-a // { units.ca = t.nodes.ca-a.units.ca // { after = [ "nobody/ca" ]; }; }; }; }':
    'nodes.ca-a.units.ca.after: node "nobody" is not declared',
  't // { trustDomains = t.trustDomains // { org-a = t.trustDomains.org-a // { ca = "nobody"; }; }; }':
    'trustDomains.org-a: node "nobody" is not declared',
  't // { credentials = t.credentials // { node-a = t.credentials.node-a // { issuer = "nobody"; }; }; }':
    'credentials.node-a.issuer: node "nobody" is not declared',
  't // { credentials = t.credentials // { node-a = t.credentials.node-a // { holder = "nobody"; }; }; }':
    'credentials.node-a.holder: node "nobody" is not declared',
  't // { accepts = t.accepts ++ [ { target = "nobody"; action = "node:read"; credential = "node-a"; } ]; }':
    'accepts: node "nobody" is not declared',
  't // { accepts = t.accepts ++ [ { target = "node-a"; action = "node:read"; credential = "nothing"; } ]; }':
    'accepts: credential "nothing" is not declared',
}

test.each(nixes)('each broken topology fails in Nix $name with its own message', async (one) => {
  if (one.missing !== undefined) return
  const list = Object.keys(mutations).map((mutation) => `(${mutation})`)
  const apply = `l: let t = l.topologies.separate-auth.instance { }; in map l.mistakesOf [ t ${list.join(' ')} ]`
  const [sound, ...broken] = (await evaluated(one, ['--apply', apply, '.#lib'])) as string[][]

  expect(sound).toEqual([])
  for (const [index, message] of Object.values(mutations).entries()) {
    expect(broken[index], Object.keys(mutations)[index]).toContainEqual(expect.stringContaining(message))
  }
  const failing = `l: builtins.attrNames (l.check (let t = l.topologies.separate-auth.instance { }; in ${Object.keys(mutations)[1]}))`
  await expect(evaluated(one, ['--apply', failing, '.#lib'])).rejects.toMatchObject({
    stderr: expect.stringContaining('topology separate-auth: topology.extra: unknown member'),
  })
  const given = (parameters: string) =>
    evaluated(one, ['--apply', `l: l.topologies.separate-auth.instance ${parameters}`, '.#lib'])
  for (const [parameters, message] of Object.entries({
    '{ orgs = 99; }': 'parameter orgs must be a whole number from 2 to 12, not 99',
    '{ org = 2; }': 'there is no parameter "org"',
    '{ validation = "none"; }': 'parameter validation must be one of',
    '{ certificateLifetime = "soon"; }': 'parameter certificateLifetime must be a duration such as 10m',
  })) {
    await expect(given(parameters)).rejects.toMatchObject({ stderr: expect.stringContaining(message) })
  }
})
