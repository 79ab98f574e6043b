import { expect, test } from 'vitest'
import { renewalDue, renewalPause } from './renewal-time.ts'

const certificate = (fromSeconds: number, endSeconds: number) => {
  return { notBefore: new Date(fromSeconds * 1000), notAfter: new Date(endSeconds * 1000) }
}

test('a certificate is due at two thirds of its life, give or take a twentieth, from when it was issued', () => {
  // As step-ca issues one of 300 s at second 1000.
  const [least, middle, most] = [0, 0.5, 1].map((random) => renewalDue(certificate(940, 1300), random) / 1000)
  expect([least, middle, most]).toEqual([1185, 1200, 1215])
})

test('one of half a minute has its time, too, and so has one of a CA that sets nothing back', () => {
  expect(renewalDue(certificate(940, 1030), 0.5) / 1000).toBeCloseTo(1020)
  const due = renewalDue(certificate(1000, 1030), 0.5) / 1000
  expect(due).toBeGreaterThan(1015)
  expect(due).toBeLessThan(1030)
})

test('failures are repeated later and later, and once a minute in the end', () => {
  expect([1, 2, 3, 4, 5, 6, 100].map(renewalPause)).toEqual(
    [5, 10, 20, 40, 60, 60, 60].map((seconds) => seconds * 1000),
  )
})
