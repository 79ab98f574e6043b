export { keepFiles as keep, putFile as put, putJsonFile as putJson, runOn as run } from 'holdfast/vitest'
