import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { FirstPause, WorkAhead } from '../../harness/agent/ahead.ts'
import { argvOf, environmentOf } from '../../harness/agent/command.ts'
import { hostsText } from '../../harness/agent/hosts-file.ts'
import { type NodeContext, templates, unitFolder } from '../../harness/agent/node-context.ts'
import { fill, fillJson } from '../../harness/agent/template.ts'
import { neededTools } from '../../harness/backends/plan-needs.ts'
import { programEnvironment, settings } from '../../harness/settings.ts'
import { ensureTools } from '../../harness/toolchain/install.ts'
import type { Command, HttpCall, Plan, PlanFile, PlanUnit, Step } from '../../harness/topology/plan.ts'
import type { BareRun, BareStep, BareUnit } from './bare.ts'

/**
 * Does everything before the clock starts that a bare script would have lying ready: paths, addresses, command lines and
 * configuration files. What has to happen anew in each run (keys, certificates, tokens) stays a step.
 */
export async function renderBareRun(plan: Plan, folder: string, subnet: string): Promise<string> {
  await rm(folder, { recursive: true, force: true })
  const contexts = await contextsOf(plan, folder, subnet)
  const hosts = Object.fromEntries(contexts.map(({ node, address }) => [node.host, address]))
  const units = contexts.flatMap((context) => context.node.units.map((unit) => bareUnit(contexts, context, unit)))
  for (const unit of units)
    for (const { path } of unit.files) await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  for (const unit of units) await mkdir(unit.folder, { recursive: true, mode: 0o700 })
  await writeFile(join(folder, 'hosts'), hostsText(hosts), { mode: 0o600 })
  const file = join(folder, 'bare.json')
  await writeFile(file, JSON.stringify({ hosts, units } satisfies BareRun), { mode: 0o600 })
  return file
}

async function contextsOf(plan: Plan, folder: string, subnet: string): Promise<NodeContext[]> {
  const names = Object.keys(plan.nodes)
  const addresses = Object.fromEntries(names.map((name, index) => [name, `${subnet}${index + 1}`]))
  const dirs = Object.fromEntries(names.map((name) => [name, join(folder, 'nodes', name)]))
  const { plain, overlay } = neededTools(plan)
  const tools = [...(await ensureTools(plain)), ...(await ensureTools(overlay, { overlay: true }))]
  const run = {
    run: 'bare',
    addresses,
    dirs,
    agentSeats: false,
    hosts: Object.fromEntries(names.map((name) => [plan.nodes[name]!.host, addresses[name]!])),
    hostsFile: join(folder, 'hosts'),
    tools: Object.fromEntries(tools.map(([name, { path }]) => [name, path])),
    // The same cache of compiled modules as in a real run: what is compared is the framework, not the services.
    environment: programEnvironment({ NODE_COMPILE_CACHE: join(settings().cacheDir, 'compile') }),
    extra: {},
    dieWithParent: [],
  }
  const nobody = (): never => {
    throw new Error('a bare run has no agents')
  }
  return names.map((name) => ({
    ...{ plan, node: plan.nodes[name]!, dir: dirs[name]!, address: addresses[name]!, settings: run },
    ...{
      emit: () => {},
      learn: () => {},
      serve: nobody,
      deliver: nobody,
      ahead: new WorkAhead(plan, plan.nodes[name]!, new FirstPause()),
    },
  }))
}

function bareUnit(all: readonly NodeContext[], context: NodeContext, unit: PlanUnit): BareUnit {
  const ref = `${context.node.name}/${unit.name}`
  const text = (template: string) => fill(template, templates(context, unit.name), ref)
  const command = (of: Command) => ({
    argv: argvOf(context, of, unit.name),
    env: environmentOf(context, unit.name, of),
  })
  const ready = unit.service?.ready
  return {
    ref,
    after: unit.after,
    folder: unitFolder(context, unit.name),
    files: unit.files.map((file) => bareFile(context, unit.name, file)),
    steps: unit.steps.map((step) => bareStep(all, context, unit.name, step)),
    service: unit.service && {
      ...command(unit.service.command!),
      ready:
        ready && 'http' in ready
          ? {
              method: 'GET',
              url: text(ready.http.url),
              tls: tlsFiles(ready.http.tls, text),
              expect: ready.http.expect ?? [],
            }
          : { port: (ready as { tcp: { port: number } }).tcp.port, address: context.address },
    },
  }
}

function bareStep(all: readonly NodeContext[], context: NodeContext, unit: string, step: Step): BareStep {
  const text = (template: string) => fill(template, templates(context, unit), unit)
  if ('run' in step) {
    return { run: { argv: argvOf(context, step.run, unit), env: environmentOf(context, unit, step.run) } }
  }
  if ('call' in step) return { call: bareCall(context, unit, step.call) }
  if ('write' in step) return { write: bareFile(context, unit, step.write) }
  if ('parallel' in step) {
    return { parallel: step.parallel.map((lane) => lane.map((one) => bareStep(all, context, unit, one))) }
  }
  if ('enrol' in step) {
    const ca = all.find(({ node }) => node.name === step.enrol.ca)!
    const { provisioner } = step.enrol
    return {
      enrol: {
        ...step.enrol,
        anchor: text(step.enrol.anchor),
        dir: text(step.enrol.dir),
        provisioner: { ...provisioner, keyFile: fill(provisioner.keyFile, templates(ca), unit) },
      },
    }
  }
  if ('fetch' in step || 'copy' in step || 'secret' in step)
    throw new Error(`${unit}: the bare start runs shipped topologies only`)
  const source = all.find(({ node }) => node.name === step.receive.from)!
  const to = text(step.receive.to.path)
  if ('file' in step.receive.source)
    return { copy: { from: fill(step.receive.source.file, templates(source), unit), to } }
  if (!('mint' in step.receive.source)) throw new Error(`${unit}: the bare start hands single files over only`)
  const { mint, member } = step.receive.source
  return { mint: { call: bareCall(source, undefined, mint), member, to } }
}

function bareCall(context: NodeContext, unit: string | undefined, call: HttpCall) {
  const text = (template: string) => fill(template, templates(context, unit), call.url)
  return {
    method: call.method,
    url: text(call.url),
    tls: tlsFiles(call.tls, text)!,
    json: fillJson(call.json, templates(context, unit), call.url),
    expect: call.expect,
  }
}

function bareFile(context: NodeContext, unit: string, file: PlanFile): { path: string; text: string } {
  const template = templates(context, unit)
  const json = fillJson(file.json, template, unit, (name) => `@{json:${name}}`)
  return {
    path: fill(file.path, template, unit),
    text: file.text === undefined ? `${JSON.stringify(json, null, 2)}\n` : fill(file.text, template, unit),
  }
}

function tlsFiles(files: HttpCall['tls'] | undefined, text: (template: string) => string) {
  if (files === undefined) return undefined
  return { ca: text(files.ca), cert: files.cert && text(files.cert), key: files.key && text(files.key) }
}
