import { describe, expect, test } from 'vitest'
import { isLent, isSeen, type Row, type Subject } from './lent.ts'

const alice: Subject = { id: 'alice', tenant: 'acme', teams: { t1: 'member', t2: 'maintainer' } }
const withdrawn = { ...alice, sharesPersonal: false }
const own: Row = { id: 'r', owner: 'alice' }
const bobs: Row = { id: 'r', owner: 'bob' }
const of = (team: string, owner = 'bob'): Row => ({ id: 'r', owner, team })
const user = (id: string, ...teams: string[]): Row => ({ id, teams })
const team = (id: string): Row => ({ id })

describe('a user sees', () => {
  test.each<[string, string, Row, boolean]>([
    ['own tasks', 'tasks', own, true],
    ['no task of somebody else', 'tasks', bobs, false],
    ['tasks of a team of theirs, whosever they are', 'tasks', of('t1'), true],
    ['no task of another team, not even an own one', 'tasks', of('t9', 'alice'), false],
    ['own memory', 'memory', own, true],
    ['no memory of somebody else', 'memory', bobs, false],
    ['own credentials', 'credentials', own, true],
    ['credentials of a team as its maintainer', 'credentials', of('t2'), true],
    ['no credential of a team as its member', 'credentials', of('t1', 'alice'), false],
    ['own teams', 'teams', team('t1'), true],
    ['no other team', 'teams', team('t9'), false],
    ['themself', 'users', user('alice'), true],
    ['who is in a team with them', 'users', user('bob', 't9', 't1'), true],
    ['nobody else', 'users', user('bob', 't9'), false],
  ])('%s', (_, resource, row, seen) => expect(isSeen(resource, row, alice)).toBe(seen))
})

describe('of what a user sees is lent', () => {
  const filtered = (resource: string, filter: object) => ({ resources: [resource], filters: { [resource]: filter } })
  test.each<[string, string, Row, object | undefined, boolean, Subject?]>([
    ['everything without a filter', 'tasks', own, undefined, true],
    ['what is of a team without a filter', 'tasks', of('t2'), undefined, true],
    ['of teams only those that are included', 'tasks', of('t2'), { include_teams: ['t1'] }, false],
    ['of those that are included what is theirs', 'tasks', of('t1'), { include_teams: ['t1'] }, true],
    ['nothing of teams where none is included', 'tasks', of('t1'), { include_teams: [] }, false],
    ['what is personal where teams alone are filtered', 'tasks', own, { include_teams: [] }, true],
    ['nothing personal where that is left out', 'tasks', own, { include_personal: false }, false],
    ['nothing personal of who shares none', 'tasks', own, { include_personal: true }, false, withdrawn],
    ['nothing of their memory either', 'memory', own, undefined, false, withdrawn],
    ['what is of a team of who shares nothing personal', 'tasks', of('t1'), undefined, true, withdrawn],
    ['a team that is included', 'teams', team('t1'), { include_teams: ['t1'] }, true],
    ['no other team', 'teams', team('t2'), { include_teams: ['t1'] }, false],
    ['who is in a team that is included', 'users', user('bob', 't2', 't1'), { include_teams: ['t1'] }, true],
    ['nobody who is in another one alone', 'users', user('bob', 't2'), { include_teams: ['t1'] }, false],
    ['the user, who is in no team that is', 'users', user('alice'), { include_teams: [] }, true],
    ['not the user where nothing personal is', 'users', user('alice'), { include_personal: false }, false],
  ])('%s', (_, resource, row, filter, lent, subject = alice) => {
    expect(isLent(resource, row, filter ? filtered(resource, filter) : { resources: [resource] }, subject)).toBe(lent)
  })
})
