import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { type Account, decode, encodeAccount, fromSeed } from '@nats-io/jwt'
import { connect, credsAuthenticator } from '@nats-io/transport-node'

const read = (path: string) => readFileSync(path, 'utf8')
const config = JSON.parse(read(process.argv[2]!))
const { account, key } = JSON.parse(await text(process.stdin))
const id = config.accounts[account]
const { name, nats } = decode<Account>(read(`${config.resolver}/${id}.jwt`))
const revocations = { ...nats.revocations, [key]: Math.floor(Date.now() / 1000) + 1 }
const signer = fromSeed(Buffer.from(read(config.operator).trim()))
const jwt = await encodeAccount(name, id, { ...nats, revocations }, { signer })

const connection = await connect({
  ...{ servers: config.url, authenticator: credsAuthenticator(Buffer.from(read(config.creds))), reconnect: false },
  tls: { caFile: config.ca, certFile: config.cert, keyFile: config.key },
})
const answer = await connection.request('$SYS.REQ.CLAIMS.UPDATE', jwt)
await connection.close()
if (!answer.string().includes('jwt updated')) throw new Error(answer.string())
