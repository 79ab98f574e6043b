import { serveSeat } from './seat-server.ts'

/** A seat that is no node's: `seat-main.ts SOCKET`. Says so on stdout once it is there, and ends when stdin does. */
const [path = ''] = process.argv.slice(2)
process.stdin.on('end', () => process.exit(0)).resume()
await serveSeat(path)
process.stdout.write('served\n')
