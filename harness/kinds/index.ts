import type { ServiceKind } from '../topology/kind.ts'

/** Every service kind that comes with the harness, by name. A new one is a folder beside this file and a line here. */
export const kinds: ReadonlyMap<string, ServiceKind> = new Map(([] as ServiceKind[]).map((kind) => [kind.name, kind]))
