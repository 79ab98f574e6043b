import { matrix } from '../harness/vitest/matrix.ts'

await matrix('../docs/guides/examples/gateway/gateway-lab.json')
