/**
 * Attacks on a resource server that need nothing but a token, a certificate and a call. Without those on
 * the names in a certificate (TLS-27, TLS-28): nobody here looks at names, a token is bound to the whole of it. And without the one
 * that floods (GEN-37), which takes as long as all others of a target.
 */
export const cases = [
  ...[
    'GEN-01',
    'GEN-02',
    'GEN-04',
    'GEN-05',
    'GEN-06',
    'GEN-07',
    'GEN-08',
    'GEN-12',
    'GEN-13',
    'GEN-14',
    'GEN-15',
    'GEN-16',
  ],
  ...['GEN-17', 'GEN-18', 'GEN-19', 'GEN-20', 'GEN-21', 'GEN-22', 'GEN-24', 'GEN-25', 'GEN-26', 'GEN-27', 'GEN-28'],
  ...['GEN-29', 'TLS-01', 'TLS-02', 'TLS-03', 'TLS-05', 'TLS-06', 'TLS-07', 'TLS-08', 'TLS-09', 'TLS-10', 'TLS-13'],
  ...[
    'TLS-14',
    'TLS-16',
    'TLS-17',
    'TLS-18',
    'TLS-21',
    'TLS-22',
    'TLS-23',
    'TLS-26',
    'TLS-29',
    'TLS-30',
    'TLS-31',
    'TLS-32',
    'TLS-33',
    'TLS-34',
    'TLS-35',
  ],
  ...['PEER-01', 'PEER-02', 'PEER-04', 'PEER-08', 'PEER-09', 'PEER-10', 'PEER-12', 'PEER-14', 'PEER-27', 'PEER-30'],
  ...['GEN-38', 'GEN-39', 'GEN-41', 'GEN-43'],
]

/** Those that a gateway fails which does not look at the binding. */
export const bindingCases = [
  ...[
    'PEER-01',
    'PEER-02',
    'PEER-04',
    'PEER-08',
    'PEER-14',
    'PEER-15',
    'TLS-01',
    'TLS-02',
    'TLS-03',
    'TLS-10',
    'TLS-17',
  ],
  ...['TLS-21', 'TLS-22', 'TLS-23', 'TLS-29'],
]

/** Those that a gateway fails which does not look at the chain of a certificate. */
export const chainCases = ['TLS-01', 'TLS-02', 'TLS-03', 'TLS-05', 'TLS-06', 'TLS-07', 'TLS-08', 'TLS-09']

/** Those that a gateway fails which compares what stands in a token with less than the whole of it. */
export const comparingCases = ['GEN-14', 'GEN-18', 'GEN-38', 'GEN-39', 'GEN-41', 'PEER-14', 'PEER-27']

/** Those that are about the token alone, and about what an issuer writes into it. */
export const tokenCases = ['GEN-01', 'GEN-05', 'GEN-07', 'GEN-18', 'GEN-20', 'PEER-01', 'PEER-02', 'PEER-04', 'PEER-14']

/** Those that a gateway fails which does not look at the audience. */
export const audienceCases = ['GEN-18', 'PEER-27']

/** Those that a gateway fails which does not look at the type of a token. */
export const typeCases = ['GEN-14']

/** Cases in which the wrong gateway of `fixtures/controls/liberties-too-far.json` goes further than the standards let it. */
export const tooFar = ['GEN-17', 'GEN-20', 'GEN-24', 'PEER-14', 'TLS-30', 'TLS-31']
