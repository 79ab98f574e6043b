import { expect, test } from 'vitest'
import { isLoopback, listening } from './monitoring.ts'

const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'
const line = (local: string, state = '0A') =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000 0 0 1`
const everywhere = '0'.repeat(32)

test('who listens is read of the system, in both families', () => {
  const table = [
    head,
    line('0100007F:201E'),
    line('00000000:201E', '01'),
    line('00000000:1092'),
    line(`${everywhere}:201E`),
  ]
  expect(listening(table.join('\n'), 8222)).toEqual(['0100007F', everywhere])
})

test('loopback is 127.0.0.0/8 and ::1, and no other address', () => {
  const mapped = '0000000000000000FFFF00000100007F'
  const loopback = ['0100007F', '0205017F', '00000000000000000000000001000000', mapped]
  expect(loopback.filter((address) => !isLoopback(address))).toEqual([])
  expect(['00000000', '0100000A', '7F000001', everywhere].filter(isLoopback)).toEqual([])
})
