import { expect, test } from 'vitest'
import { USER_NAMES } from './roles.ts'
import { credsPath } from './setup-record.ts'

test('only what is handed over lies in the shared folder, and what pushes claims lies apart from the callout', () => {
  expect(USER_NAMES.map(credsPath)).toEqual([
    'push-creds/sys.creds',
    'local-keys/sys_kick.creds',
    'shared-creds/admin_user.creds',
    'local-keys/callout_user.creds',
    'shared-creds/auth_guard.creds',
    'shared-creds/orchestrator_auth.creds',
  ])
})
