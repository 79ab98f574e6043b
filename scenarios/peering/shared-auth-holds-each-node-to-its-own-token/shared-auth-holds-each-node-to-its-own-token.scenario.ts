import { attacks } from 'holdfast/vitest'

/** Whose token it is, for whom, of which kind, and who may ask about it or end it: what one issuer for all could mix up. */
const ofOneIssuer = ['GEN-14', 'GEN-18', 'GEN-19', 'GEN-29', 'GEN-30', 'GEN-32', 'GEN-33']
const ofPeers = ['PEER-01', 'PEER-02', 'PEER-03', 'PEER-04', 'PEER-15', 'PEER-24', 'PEER-26', 'PEER-27', 'PEER-28']

await attacks('shared-auth', { cases: [...ofOneIssuer, ...ofPeers] })
