import { serviceMain } from '../shared/service-main.ts'
import { prepare, startCallout } from './callout.ts'
import { program } from './config.ts'

await serviceMain({
  program,
  description: 'Decides for a broker which hosts may log in, by certificate-bound tokens.',
  who: ({ node, unit }) => ({ node, unit }),
  prepare,
  start: startCallout,
})
