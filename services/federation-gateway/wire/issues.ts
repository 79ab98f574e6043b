import type { z } from 'zod'
import type { Issue } from './errors.ts'

/** All that is wrong with a document, one path for each. */
export function issuesOf({ issues }: z.ZodError): Issue[] {
  return issues.flatMap((issue) => {
    const at = (...more: PropertyKey[]) => [...issue.path, ...more].map(String).join('.')
    if (issue.code !== 'unrecognized_keys') return [{ path: at(), message: issue.message }]
    return issue.keys.map((key) => ({ path: at(key), message: 'is not known' }))
  })
}
