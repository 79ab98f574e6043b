import { expect, test } from 'vitest'
import { handedTo, ROLE_NAMES, ROLES, roleFor, USER_NAMES, USERS } from './roles.ts'

test('the host of a user stands wherever its role names it', () => {
  const role = roleFor('host_role', 'host-1')

  expect(role.publish).toEqual([
    'WORKLOAD.host-1.status',
    'INVENTORY.host-1.>',
    '$JS.API.CONSUMER.INFO.WORKLOAD.host-1',
    '$JS.API.CONSUMER.MSG.NEXT.WORKLOAD.host-1',
    '$JS.ACK.WORKLOAD.host-1.>',
    '$SYS.REQ.USER.INFO',
  ])
  expect(role.subscribe).toEqual(['_INBOX.host-1.>'])
  expect(role.inbox).toBe('_INBOX.host-1')
})

test('a role without a host is as it stands', () => {
  expect(roleFor('orchestrator_role')).toEqual(ROLES.orchestrator_role)
  expect(roleFor('admin_role')).toEqual(ROLES.admin_role)
})

test.each(ROLE_NAMES)('%s may listen at its own inboxes alone', (name) => {
  const { subscribe, inbox } = ROLES[name]

  expect(subscribe.filter((subject) => subject.startsWith('_INBOX'))).toEqual([`${inbox}.>`])
})

test('each receiver gets the files that it is meant to have, and those of the system account stay', () => {
  const filesOf = (users: readonly (keyof typeof USERS)[]) => users.map((name) => USERS[name].creds)

  expect(filesOf(handedTo('orchestrator'))).toEqual(['admin_user.creds', 'orchestrator_auth.creds'])
  expect(filesOf(handedTo('host'))).toEqual(['auth_guard.creds'])
  expect(USER_NAMES.filter((name) => USERS[name].receiver === undefined)).toEqual(['sys', 'sys_kick', 'callout_user'])
})

test('a user has the role of its own account', () => {
  for (const name of USER_NAMES) {
    const { account, role } = USERS[name]
    if (role !== undefined) expect(ROLES[role].account, name).toBe(account)
  }
})
