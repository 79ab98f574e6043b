import { serviceMain } from '../shared/service-main.ts'
import { prepare, startAgent } from './agent.ts'
import { program } from './config.ts'

await serviceMain({
  program,
  description: 'Logs in at a broker with a certificate-bound token, and applies the commands for its host.',
  who: ({ node, unit }) => ({ node, unit }),
  prepare,
  start: startAgent,
})
