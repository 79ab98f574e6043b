import type { Statement } from '../scope/sql.ts'

export type { Statement }

/** A statement whose every inserted value is a parameter: sql`… WHERE id = ${id}::uuid`. */
export function sql(texts: TemplateStringsArray, ...values: readonly unknown[]): Statement {
  return { text: texts.reduce((text, part, at) => `${text}$${at}${part}`), values }
}
