/**
 * Attacks on a resource server that need nothing but a token, a certificate and a call. Without those that measure time and size, and
 * those on TLS itself, which is OpenSSL everywhere here.
 */
export const cases = [
  ...['GEN-01', 'GEN-04', 'GEN-05', 'GEN-06', 'GEN-07', 'GEN-08', 'GEN-12', 'GEN-13', 'GEN-14', 'GEN-15', 'GEN-16'],
  ...['GEN-17', 'GEN-18', 'GEN-20', 'GEN-24', 'GEN-25', 'GEN-26', 'GEN-27', 'GEN-28', 'TLS-01', 'TLS-02', 'TLS-03'],
  ...['PEER-01', 'PEER-02', 'PEER-04', 'PEER-08', 'PEER-09', 'PEER-10', 'PEER-12', 'PEER-14', 'PEER-27', 'PEER-30'],
]

/** Those that a gateway fails which does not look at the binding, or not at the chain. */
export const bindingCases = [
  ...['PEER-01', 'PEER-02', 'PEER-04', 'PEER-08', 'PEER-14', 'PEER-15', 'TLS-01', 'TLS-02', 'TLS-03'],
]

/** Those that are about the token alone, and about what an issuer writes into it. */
export const tokenCases = ['GEN-01', 'GEN-05', 'GEN-07', 'GEN-18', 'GEN-20', 'PEER-01', 'PEER-02', 'PEER-04', 'PEER-14']
