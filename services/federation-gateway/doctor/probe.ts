import { KeyObject, type X509Certificate } from 'node:crypto'
import { CaError } from '../enrolment/ca-answer.ts'
import { type CaClient, createCaClient } from '../enrolment/ca-client.ts'
import { readCsr } from '../enrolment/csr.ts'
import { issuedLeafProblem, type LeafProblem } from '../enrolment/issued-leaf.ts'
import { newRequest } from '../outbound/peer-key.ts'
import { serialFromHex } from '../serial.ts'
import type { Start } from '../start/guards.ts'
import { type Finding, fail, ok } from './finding.ts'

const TEMPLATE = 'give the provisioner the template of certificates for peers (options.x509.templateFile)'

const FOUND: Readonly<Record<LeafProblem, readonly [what: string, remedy: string]>> = {
  oid: ['does not name grant and subject in its two extensions', TEMPLATE],
  profile: ['is not one for clients alone, or of another provisioner', TEMPLATE],
  name: ['has other names than were asked for', TEMPLATE],
  key: ['is for another key than was asked for', 'see that nothing stands between the gateway and the CA'],
  chain: ['does not lead to the pinned root', 'see ca.pin, and the intermediate of the CA'],
  validity: ['is not good now, or for longer than was asked for', 'see ca.clock, and the claims of the provisioner'],
}

/** Has the CA issue a certificate for a grant that nobody has, looks at it as at any other, and has it revoked. */
export async function issueProbe({ configuration, ca, provisionerKey: key, now }: Start): Promise<Finding> {
  const { publicName: commonName, stepCa, oids, leaf } = configuration
  const { provisionerName: provisioner } = stepCa
  const signer = { caUrl: ca!.url, provisioner, key: key!, rootFingerprint: ca!.fingerprint }
  const client = createCaClient({ signer, rootPem: String(ca!.root) })
  const [grantId, subjectUserId] = [crypto.randomUUID(), crypto.randomUUID()]
  const { keys, csrPem } = await newRequest(commonName)
  const csr = readCsr(csrPem)
  if (typeof csr === 'string') throw new Error(`the request of the probe is refused here: ${csr}`)
  try {
    const chain = await client.sign(csrPem, { commonName, grantId, subjectUserId, x5rt: csr.x5rt }, leaf.seconds)
    const asked = {
      publicKey: KeyObject.from(keys.publicKey),
      commonName,
      grantId,
      subjectUserId,
      seconds: leaf.seconds,
    }
    const trust = {
      root: ca!.root,
      oids,
      provisioner: { name: provisioner, kid: key!.kid },
      now: Math.max(now, Date.now()),
    }
    const problem = issuedLeafProblem(chain, asked, trust)
    const revoking = await revoke(client, chain[0]!)
    if (problem === undefined)
      return revoking ?? ok('a certificate that it issued has both extensions, and was revoked')
    const [what, remedy] = FOUND[problem]
    return fail(`a certificate that the CA issued ${what}`, remedy)
  } catch (failure) {
    if (failure instanceof CaError) return caFinding(failure)
    throw failure
  } finally {
    client.close()
  }
}

async function revoke(client: CaClient, leaf: X509Certificate): Promise<Finding | undefined> {
  const serial = serialFromHex(leaf.serialNumber)
  try {
    if (serial !== undefined) await client.revoke(serial, 'probe of gateway doctor')
    return undefined
  } catch (failure) {
    if (failure instanceof CaError) return caFinding(failure)
    throw failure
  }
}

function caFinding({ message, remedy }: CaError): Finding {
  return fail(message.slice(0, -`; ${remedy}`.length), remedy)
}
