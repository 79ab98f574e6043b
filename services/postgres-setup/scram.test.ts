import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { scramVerifier } from './scram.ts'

test('a server that keeps it proves itself as in the example of RFC 7677 section 3', () => {
  const salt = 'W22ZaJ0SNY7soEsUEjb6gQ=='
  const nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
  const said = `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${nonce},s=${salt},i=4096,c=biws,r=${nonce}`
  const [, head, serverKey = ''] = /^(SCRAM-SHA-256\$4096:W22ZaJ0SNY7soEsUEjb6gQ==\$.{44}):(.{44})$/.exec(
    scramVerifier('pencil', Buffer.from(salt, 'base64')),
  )!
  const signature = (key: string) => createHmac('sha256', Buffer.from(key, 'base64')).update(said).digest('base64')

  expect(head).toBe('SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=')
  expect(signature(serverKey)).toBe('6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
})

test('the same password is kept under another salt each time', () => {
  expect(scramVerifier('pencil')).not.toBe(scramVerifier('pencil'))
})
