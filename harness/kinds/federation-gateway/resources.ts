/** What can be lent, in the order of the service. */
export const resources = ['tasks', 'notes', 'memory', 'credentials', 'teams', 'users'] as const
