import type { ServiceKind } from '../topology/kind.ts'
import { authServer } from './auth-server/index.ts'
import { exec } from './exec/index.ts'
import { orchestrator } from './orchestrator/index.ts'
import { stepCa } from './step-ca/index.ts'

// What a kind's settings look like is known to the kind alone.
const shipped = [stepCa, authServer, orchestrator, exec] as readonly ServiceKind[]

/** Every service kind that comes with the harness, by name. A new one is a folder beside this file and a line here. */
export const kinds: ReadonlyMap<string, ServiceKind> = new Map(shipped.map((kind) => [kind.name, kind]))
