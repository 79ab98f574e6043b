/** Variants that no scenario of the suite tries at a shipped topology, as `PEER-30 the issuer is ahead`: why, and what does instead. */
export const untriedAnywhere: Readonly<Record<string, string>> = {
  'PEER-30 the issuer is ahead':
    'the clocks of an attacked site stand still; the scenario `clocks-apart-are-told-from-forgery` moves them, and shows the same refusal',
}
