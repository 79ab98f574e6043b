import type { HttpAnswer } from './http/answer.ts'
import type { HttpExpected } from './http/expected.ts'
import type { HttpOptions } from './http/prepared.ts'
import type { AnswerBase, Called, Prepared, Protocol } from './protocol.ts'

// What protocols add to answers, expectations and options under names of their own: the one closed list of it, a line for each that
// adds something, so that a verdict and a scenario are typed.

export type Answer = AnswerBase & Partial<Omit<HttpAnswer, keyof AnswerBase>>
export interface Expected extends HttpExpected {}
export interface Options extends HttpOptions {}

export type AnyProtocol = Protocol<unknown, Answer, Expected, Options>
export type AnyPrepared = Prepared<Answer, Options>
export type AnyCalled = Called<Answer>

/** Protocols by name. */
export type Protocols = ReadonlyMap<string, AnyProtocol>
