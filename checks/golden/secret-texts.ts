const coded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const claims = { iss: 'https://auth.test', sub: 'node-a', jti: 'invented' }
const signature = 'invented-signature-'.repeat(4)
const jwt = `${coded({ alg: 'ES256', typ: 'at+jwt' })}.${coded(claims)}.${signature}`
const jwe = `${coded({ alg: 'dir', enc: 'A256GCM' })}..${'invented-iv'}.${'invented-ciphertext'}.${'invented-tag'}`
const unsigned = `${coded({ alg: 'none' })}.${coded(claims)}.`
const secret = 'invented-secret-'.repeat(3)

/** Put together here, so that no file of the checkout looks like it held a key. */
function pem(label: string): string {
  const line = (what: string) => `-----${what} ${label}-----`
  return `${line('BEGIN')}\n${'INVENTED'.repeat(8)}\n${'INVENTED'.repeat(3)}==\n${line('END')}\n`
}

const key = pem('PRIVATE KEY')
const jwk = { kty: 'EC', crv: 'P-256', x: 'public-x-'.repeat(4), y: 'public-y-'.repeat(4), d: secret }
const members = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'n', 'e', 'x', 'kid']

/** Texts with invented secrets, as logs, answers and evidence may hold them, by what they are. */
export const secretTexts: Readonly<Record<string, string>> = {
  'a token': jwt,
  'a token in a header': `authorization: Bearer ${jwt}\r\nhost: node-a.test`,
  'a token in a URL': `GET /read?access_token=${jwt}&x=1 HTTP/1.1`,
  'a token in a fragment': `https://node-a.test/#access_token=${jwt}`,
  'a token in a cookie': `cookie: session=${jwt}; theme=dark`,
  'a token in JSON': JSON.stringify({ access_token: jwt, token_type: 'Bearer', expires_in: 600 }),
  'a token in JSON in JSON': JSON.stringify({ line: JSON.stringify({ token: jwt }) }),
  'two tokens': `${jwt} ${jwt}, ${unsigned}`,
  'a token without signature': unsigned,
  'an encrypted token': jwe,
  'a token that was cut off in its claims': jwt.slice(0, 60),
  'a token that was cut off in its header': jwt.slice(0, 20),
  'the end of a token': jwt.slice(-80),
  'a token in two lines': `${jwt.slice(0, 90)}\n${jwt.slice(90)}`,
  'words that begin like a token': 'eyJ eyJhbGci eyeJay.one.two',
  'a private key': key,
  'a private key of each kind': ['EC PRIVATE KEY', 'RSA PRIVATE KEY', 'ENCRYPTED PRIVATE KEY', 'OPENSSH PRIVATE KEY']
    .map(pem)
    .join(''),
  'a private key that was cut off': `it was ${key.slice(0, 60)}`,
  'a private key in JSON': JSON.stringify({ key, cert: pem('CERTIFICATE') }),
  'a private key between certificates': pem('CERTIFICATE') + key + pem('CERTIFICATE'),
  'public things': pem('CERTIFICATE') + pem('PUBLIC KEY') + pem('CERTIFICATE REQUEST'),
  'a private JWK': JSON.stringify(jwk),
  'a private JWK with spaces': JSON.stringify(jwk, null, 2),
  'a private JWK in JSON': JSON.stringify({ line: JSON.stringify({ keys: [jwk] }) }),
  'every member of a JWK': JSON.stringify(Object.fromEntries(members.map((name) => [name, secret]))),
  'members that are too short for a key': JSON.stringify({ d: 'short', k: '1234567', p: 8080 }),
  'a JWK in JavaScript': `{ kty: 'EC', d: '${secret}' }`,
  'a form': `grant_type=client_credentials&client_id=node-a&client_secret=${secret}`,
  'a password in a URL': `https://node-a:${secret}@auth.test/token`,
  'a basic header': `authorization: Basic ${Buffer.from(`node-a:${secret}`).toString('base64')}`,
  'a log line': JSON.stringify({ ts: '2026-01-01T00:00:00.000Z', msg: `got "${jwt}" and ${key}`, jwk, code: 401 }),
  'a decision': JSON.stringify({ verdict: 'refused', guard: 'token.binding', principal: { jti: 'invented' } }),
  nothing: '',
}
