import type { GroundParts, ScenarioOptions } from '../site/ground.ts'

/** The parts that come with the harness: a topology by name or path (relative to `cwd`), the backend of the settings. */
export async function shippedParts(topology: string, options: ScenarioOptions, cwd: string): Promise<GroundParts> {
  const [{ loadTopology }, { backend, callParts, compile, credentialKinds }, { settings }] = await Promise.all([
    import('../topology/load.ts'),
    import('../shipped.ts'),
    import('../settings.ts'),
  ])
  const { parameters, backend: chosen, keep, shareSites, sabotage, at } = settings()
  const own = Object.entries(options.set ?? {}).map(([name, value]) => [name, String(value)])
  const set = { ...parameters, ...Object.fromEntries(own) }
  return {
    backend: backend(options.backend ?? chosen),
    ...(await callParts()),
    keep,
    shared: shareSites,
    sabotage,
    at,
    plan: async () => compile(await loadTopology(topology, { set, cwd })),
    preflight: async (site) => (await import('../site/live-site.ts')).sitePreflight(site, credentialKinds),
  }
}
