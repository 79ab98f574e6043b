import type { Backend, Capabilities } from './backend.ts'

export type Capability = keyof Capabilities

/** What nodes of a backend can have, in the order in which it is told. */
export const capabilities: Readonly<Record<Capability, string>> = {
  ownAddress: 'each node has an address of its own',
  names: 'programs in any language find the hosts of the plan by name',
  ownHosts: 'each node has an /etc/hosts of its own',
  networks: 'nodes that share no network cannot reach each other',
  pause: 'programs are stopped and go on (SIGSTOP, SIGCONT)',
  partition: 'nodes are cut off from each other',
  impairment: 'what passes between nodes is late, or lost now and then',
  ownClock: 'clocks of nodes are moved',
  ownUsers: 'units run as users of their own',
  ownKernel: 'each node has a kernel of its own',
  remoteHosts: 'nodes are on several machines',
}

/** `there`: where the machine has what it takes, which a backend that looks for it tells anew each time. */
export function abilityOf({ capabilities: own }: Backend, capability: Capability): 'yes' | 'there' | 'no' {
  const declared = Object.getOwnPropertyDescriptor(own, capability)
  if (declared?.get !== undefined) return 'there'
  return declared?.value === true ? 'yes' : 'no'
}
