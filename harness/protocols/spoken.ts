import type { HttpAnswer } from './http/answer.ts'
import type { HttpExpected } from './http/expected.ts'
import type { HttpOptions } from './http/prepared.ts'
import type { NatsAnswer, NatsExpected, NatsOptions } from './nats/index.ts'
import type { AnswerBase, Called, Prepared, Protocol } from './protocol.ts'

// What protocols add to answers, expectations and options under names of their own: the one closed list of it, a line for each that
// adds something, so that a verdict and a scenario are typed.

export type Answer = AnswerBase &
  Partial<Omit<HttpAnswer, keyof AnswerBase>> &
  Partial<Omit<NatsAnswer, keyof AnswerBase>>
export interface Expected extends HttpExpected, NatsExpected {}
export interface Options extends HttpOptions, NatsOptions {}

export type AnyProtocol = Protocol<unknown, Answer, Expected, Options>
export type AnyPrepared = Prepared<Answer, Options>
export type AnyCalled = Called<Answer>

/** Protocols by name. */
export type Protocols = ReadonlyMap<string, AnyProtocol>
