import { describe, expect, test } from 'vitest'
import { admUrl, isFederationUrl, type OfferedUrl, readEnrolmentUrl, writeEnrolmentUrl } from './url.ts'

const token = 'ab'.repeat(32)
const id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
const pins = { ca: 'cd'.repeat(32), grant: id, subject: id.replace('a0', 'b0') }
const plain = `https://gateway-b.example:8443/api/federation/enrollment/${token}`
const pinned = writeEnrolmentUrl('https://gateway-b.example:8443', token, pins)

describe('an enrolment URL', () => {
  test('is read as it was written', () => {
    expect(pinned).toBe(`${plain}#ca=sha256:${pins.ca}&grant=${pins.grant}&subject=${pins.subject}`)
    expect(readEnrolmentUrl(pinned)).toEqual({ url: plain, host: 'gateway-b.example', token, pins })
    expect(readEnrolmentUrl(plain).pins).toBeUndefined()
  })

  test.each<[string, string]>([
    ['', 'no URL'],
    ['gateway-b.example', 'no URL'],
    [pinned.replace('https', 'http'), 'not https'],
    [pinned.replace('https', 'ftp'), 'not https'],
    [pinned.replace('//', '//user@'), 'user information'],
    [pinned.replace('//', '//:word@'), 'user information'],
    [pinned.replace('gateway-b.example', '10.0.0.1'), 'no DNS name'],
    [pinned.replace('gateway-b.example', '[::1]'), 'no DNS name'],
    [pinned.replace('gateway-b.example', 'localhost'), 'no DNS name'],
    [pinned.replace('enrollment', 'enrolment'), 'path'],
    [pinned.replace('enrollment/', 'enrollment/../admin/'), 'path'],
    [pinned.replace(token, `${token}/`), 'path'],
    [pinned.replace(token, `${token}%00`), 'path'],
    [pinned.replace(token, token.slice(1)), 'path'],
    [pinned.replace(token, token.toUpperCase()), 'path'],
    [pinned.replace(token, `${token}?x=1`), 'path'],
    [pinned.replace('/api', '/x/api'), 'path'],
    [`${plain}#ca=sha256:${pins.ca}`, 'fragment'],
    [`${plain}#grant=${id}&subject=${id}`, 'fragment'],
    [`${pinned}&grant=${id}`, 'fragment'],
    [`${pinned}&more=1`, 'fragment'],
    [pinned.replace('sha256:', 'sha1:'), 'ca=sha256'],
    [pinned.replace(pins.ca, pins.ca.toUpperCase()), 'ca=sha256'],
    [pinned.replace(pins.ca, pins.ca.slice(2)), 'ca=sha256'],
    [pinned.replace(pins.grant, 'x'), 'no UUIDs'],
    [pinned.replace(pins.subject, pins.subject.toUpperCase()), 'no UUIDs'],
  ])('%s is refused: %s', (url, why) => {
    const offered: OfferedUrl = { enrolmentUrl: url }
    expect(admUrl.check(offered)).toEqual({ reason: 'enrolment_url', status: 400, error: 'invalid_request' })
    expect(offered.message).toContain(why)
    expect(offered.message).not.toContain('abab')
    expect(offered.read).toBeUndefined()
  })

  test('that is good passes the guard', () => {
    const offered: OfferedUrl = { enrolmentUrl: pinned }
    expect(admUrl.check(offered)).toBeUndefined()
    expect(offered.read?.pins).toEqual(pins)
  })
})

test('calls go to the host that enrolled, by https, and to no path of it', () => {
  expect(isFederationUrl('https://gateway-b.example:8444', 'gateway-b.example')).toBe(true)
  expect(isFederationUrl('https://gateway-b.example', 'gateway-b.example')).toBe(true)
  expect(admUrl.check({ federationUrl: 'https://gateway-b.example:8444', host: 'gateway-b.example' })).toBeUndefined()
  for (const url of [
    ...['', 'gateway-b.example', 'http://gateway-b.example:8444', 'https://gateway-c.example', 'https://10.0.0.1'],
    ...['https://gateway-b.example.evil.example', 'https://user@gateway-b.example', 'https://:x@gateway-b.example'],
    ...['https://gateway-b.example/x', 'https://gateway-b.example/?x', 'https://gateway-b.example/#x'],
  ]) {
    expect([url, isFederationUrl(url, 'gateway-b.example')]).toEqual([url, false])
    const refusal = { reason: 'enrolment_url', status: 400, error: 'invalid_request' }
    expect(admUrl.check({ federationUrl: url, host: 'gateway-b.example' }), url).toEqual(refusal)
  }
})
