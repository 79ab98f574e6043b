import { cases } from '../attack.ts'

const handedOver = 'nats/handed-over-credentials-are-judged-first'
const startOfHost = 'nats/only-whole-credentials-start-a-host'
const startOfOrchestrator = 'nats/only-whole-credentials-start-the-orchestrator'

/** What must hold while a broker, its credentials and those who use them come and go: for scenarios that stop and start them. */
export const lifecycle = cases(['takes:nats-creds', 'speaks:nats'], {
  'NATS-10': {
    title: 'an account that ends puts its users out, and lets nobody in',
    source: 'NATS JWT v2, accounts',
    shownBy: ['nats/the-broker-refuses-for-its-own-reasons'],
  },
  'NATS-23': {
    title: 'credentials that others may read or change are not used',
    source: 'NATS credentials files; nsc, modes of its files',
    shownBy: [handedOver, startOfHost, startOfOrchestrator, 'nats/credentials-of-somebody-else-are-not-used'],
  },
  'NATS-24': {
    title: 'credentials that are not whole, or more than that, are none',
    source: 'NATS credentials files',
    shownBy: [handedOver],
  },
  'NATS-25': {
    title: 'credentials are those of the user that they say, whatever their file is called',
    source: 'NATS JWT v2, users',
    shownBy: [handedOver, startOfHost, startOfOrchestrator],
  },
  'NATS-26': {
    title: 'where credentials are handed over, nothing else is: no JWT of an operator, and no key that signs',
    source: 'NATS operator mode: setup, hand-over',
    shownBy: [handedOver, startOfHost],
  },
  'NATS-27': {
    title: 'nothing runs before what it comes after is done',
    source: 'NATS operator mode: setup, hand-over, start, nsc push',
    shownBy: ['nats/units-start-in-their-order'],
  },
  'NATS-28': {
    title: 'credentials that were replaced are good until their overlap is over, and no longer',
    source: 'NATS JWT v2, revocations',
    shownBy: ['nats/no-command-is-lost-or-comes-twice', 'nats/ended-credentials-end-sessions'],
  },
  'NATS-29': {
    title: 'older claims of an account do not take the place of newer ones',
    source: 'nats-server, full resolver',
    shownBy: ['nats/ended-credentials-end-sessions'],
  },
  'NATS-30': {
    title: 'a broker that trusts another operator takes no user of the one before',
    source: 'NATS operator mode: trusted operators',
    shownBy: ['nats/the-broker-refuses-for-its-own-reasons'],
  },
})
