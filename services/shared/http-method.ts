import type { IncomingMessage } from 'node:http'

/** The method that a request is judged and served by: HEAD is answered as GET is (RFC 9110 section 9.3.2), and Node leaves the body out. */
export function methodOf({ method = '' }: Pick<IncomingMessage, 'method'>): string {
  return method === 'HEAD' ? 'GET' : method
}

/** For `Allow`, which every 405 has (RFC 9110 section 15.5.6). */
export function allowed(methods: readonly string[]): string {
  return methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ')
}
