import { cases } from '../attack.ts'

/** What must hold while a broker, its credentials and those who use them come and go: for scenarios that stop and start them. */
export const lifecycle = cases(['takes:nats-creds', 'speaks:nats'], {
  'NATS-27': {
    title: 'nothing runs before what it comes after is done',
    source: 'NATS operator mode: setup, hand-over, start, nsc push',
    shownBy: 'nats/units-start-in-their-order',
  },
  'NATS-28': {
    title: 'credentials that were replaced are good until their overlap is over, and no longer',
    source: 'NATS JWT v2, revocations',
    shownBy: 'nats/no-command-is-lost-or-comes-twice',
  },
  'NATS-29': {
    title: 'older claims of an account do not take the place of newer ones',
    source: 'nats-server, full resolver',
    shownBy: 'nats/ended-credentials-end-sessions',
  },
})
