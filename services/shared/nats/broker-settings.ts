import { z } from 'zod'

/** Which broker a program connects to, and where from. */
export const brokerServer = z
  .string()
  .regex(/^[a-z]+:\/\/[a-z0-9.-]+:\d{1,5}$/, 'must be tls://HOST:PORT')
  .describe('tls://HOST:PORT of the broker; HOST is the SAN of its certificate.')

export const localAddress = z.string().min(1).optional().describe('Address that connections come from. Default: any.')
