import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { WorkAhead } from '../../harness/agent/ahead.ts'
import { argvOf, environmentOf } from '../../harness/agent/command.ts'
import { hostsText } from '../../harness/agent/hosts-file.ts'
import { addressesFor, contextOf, type NodeContext, type UnitContext } from '../../harness/agent/node-context.ts'
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

/** As agents have them, where there are no agents. */
export async function contextsOf(plan: Plan, folder: string, subnet: string): Promise<NodeContext[]> {
  const names = Object.keys(plan.nodes)
  const addresses = Object.fromEntries(names.map((name, index) => [name, { default: `${subnet}${index + 1}` }]))
  const dirs = Object.fromEntries(names.map((name) => [name, join(folder, 'nodes', name)]))
  const { plain, overlay } = neededTools(plan)
  const tools = [...(await ensureTools(plain)), ...(await ensureTools(overlay, { overlay: true }))]
  const run = {
    run: 'bare',
    addresses,
    dirs,
    agentSeats: false,
    hostsFiles: Object.fromEntries(names.map((name) => [name, join(folder, 'hosts')])),
    tools: Object.fromEntries(tools.map(({ name, path }) => [name, path])),
    // The same cache of compiled modules as in a real run: what is compared is the framework, not the services.
    environment: programEnvironment({ NODE_COMPILE_CACHE: settings().compileCache }),
    extra: {},
    dieWithParent: [],
  }
  const nobody = (): never => {
    throw new Error('a bare run has no agents')
  }
  return names.map((name) => ({
    ...{
      plan,
      node: plan.nodes[name]!,
      ref: name,
      dir: dirs[name]!,
      ...addressesFor(name, plan, run),
      hostsFile: run.hostsFiles[name]!,
      tools: run.tools,
      settings: run,
    },
    ...{
      emit: () => {},
      learn: () => {},
      serve: nobody,
      deliver: nobody,
      ahead: new WorkAhead(plan, plan.nodes[name]!, Promise.withResolvers<void>()),
    },
  }))
}

/** A unit with everything filled in that is known before it starts. */
export function bareUnit(all: readonly NodeContext[], node: NodeContext, unit: PlanUnit): BareUnit {
  const context = contextOf(node, unit)
  const { ref } = context
  const text = (template: string) => fill(template, context, ref)
  const command = (of: Command) => ({ argv: argvOf(context, of), env: environmentOf(context, of) })
  const ready = unit.service?.ready
  return {
    ref,
    after: unit.after,
    folder: context.unitDir,
    files: unit.files.map((file) => bareFile(context, file)),
    steps: unit.steps.map((step) => bareStep(all, context, step)),
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

function bareStep(all: readonly NodeContext[], context: UnitContext, step: Step): BareStep {
  const { ref } = context
  const text = (template: string) => fill(template, context, ref)
  if ('run' in step) return { run: { argv: argvOf(context, step.run), env: environmentOf(context, step.run) } }
  if ('call' in step) return { call: bareCall(context, step.call) }
  if ('write' in step) return { write: bareFile(context, step.write) }
  if ('parallel' in step) {
    return { parallel: step.parallel.map((lane) => lane.map((one) => bareStep(all, context, one))) }
  }
  if ('enrol' in step) {
    const ca = all.find(({ node }) => node.name === step.enrol.ca)!
    const { provisioner } = step.enrol
    return {
      enrol: {
        ...step.enrol,
        anchor: text(step.enrol.anchor),
        dir: text(step.enrol.dir),
        provisioner: { ...provisioner, keyFile: fill(provisioner.keyFile, ca, ref) },
      },
    }
  }
  if ('fetch' in step || 'copy' in step || 'secret' in step || 'follow' in step)
    throw new Error(`${ref}: the bare start runs shipped topologies only`)
  const source = all.find(({ node }) => node.name === step.receive.from)!
  const to = text(step.receive.to.path)
  if ('file' in step.receive.source) return { copy: { from: fill(step.receive.source.file, source, ref), to } }
  if (!('mint' in step.receive.source)) throw new Error(`${ref}: the bare start hands single files over only`)
  const { mint, member } = step.receive.source
  return { mint: { call: bareCall(source, mint), member, to } }
}

function bareCall(context: NodeContext, call: HttpCall) {
  const text = (template: string) => fill(template, context, call.url)
  return {
    method: call.method,
    url: text(call.url),
    tls: tlsFiles(call.tls, text)!,
    json: fillJson(call.json, context, call.url),
    expect: call.expect,
  }
}

function bareFile(context: UnitContext, file: PlanFile): { path: string; text: string } {
  const { ref } = context
  const json = fillJson(file.json, context, ref, (name) => `@{json:${name}}`)
  return {
    path: fill(file.path, context, ref),
    text: file.text === undefined ? `${JSON.stringify(json, null, 2)}\n` : fill(file.text, context, ref),
  }
}

function tlsFiles(files: HttpCall['tls'] | undefined, text: (template: string) => string) {
  if (files === undefined) return undefined
  return { ca: text(files.ca), cert: files.cert && text(files.cert), key: files.key && text(files.key) }
}
