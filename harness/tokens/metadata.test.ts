import { expect, test } from 'vitest'
import { discovered, NotInMetadata, NotOffered } from './metadata.ts'

/** What is served by URL; anything else is not there. */
const serving = (pages: Readonly<Record<string, unknown>>) => async (url: string) => {
  if (!Object.hasOwn(pages, url)) throw new Error(`${url} answered 404`)
  return pages[url]
}

const issuer = 'https://idp.test/realms/corp'
const oauth = 'https://idp.test/.well-known/oauth-authorization-server/realms/corp'
const openid = 'https://idp.test/realms/corp/.well-known/openid-configuration'
const token_endpoint = 'https://idp.test/token'

test.each([
  ['where RFC 8414 says', { [oauth]: { issuer, token_endpoint } }, token_endpoint],
  ['where OpenID Connect says', { [openid]: { issuer, token_endpoint } }, token_endpoint],
  [
    'at the alias for who presents a certificate',
    { [oauth]: { issuer, token_endpoint, mtls_endpoint_aliases: { token_endpoint: 'https://mtls.idp.test/token' } } },
    'https://mtls.idp.test/token',
  ],
])('an endpoint is found %s', async (_, pages, expected) => {
  expect(await discovered(issuer, 'token_endpoint', serving(pages))).toBe(expected)
})

test.each([
  [
    'of another issuer',
    { [oauth]: { issuer: `${issuer}/`, token_endpoint } },
    'says that it is "https://idp.test/realms/corp/"',
  ],
  [
    'that names it in plaintext',
    { [oauth]: { issuer, token_endpoint: 'http://idp.test/token' } },
    'names no https URL',
  ],
  ['that is none', { [oauth]: 'hello' }, `no metadata at ${oauth} or ${openid}`],
])('nothing is found in metadata %s', async (_, pages, message) => {
  const asked = discovered(issuer, 'token_endpoint', serving(pages as Record<string, unknown>))
  await expect(asked).rejects.toThrow(NotInMetadata)
  await expect(asked).rejects.toThrow(message)
})

test('what good metadata do not name is not offered', async () => {
  const asked = discovered(issuer, 'revocation_endpoint', serving({ [oauth]: { issuer, token_endpoint } }))
  await expect(asked).rejects.toThrow(NotOffered)
  await expect(asked).rejects.toThrow(`the metadata of ${issuer} name no revocation_endpoint`)
})
