import { z } from 'zod'

/** A subject, or a pattern of them: tokens without blanks, between dots. */
const subject = z.string().regex(/^[^\s.]+(\.[^\s.]+)*$/, 'must be a subject: tokens between dots, without blanks')

export const request = z
  .strictObject({
    publish: subject.optional().meta({ description: 'Publishes there.' }),
    subscribe: subject.optional().meta({ description: 'Subscribes to that.' }),
    ask: subject.optional().meta({ description: 'Publishes there, and waits for an answer.' }),
    queue: subject.optional().meta({ description: 'With `subscribe`: in this group.' }),
    reply: subject.optional().meta({ description: 'With `publish`: where somebody who answers is to do so.' }),
    inbox: subject
      .optional()
      .meta({ description: 'With `ask`: prefix of the subject of the answer. Default: `_INBOX`.' }),
    data: z.string().optional().meta({ description: 'What is published. Default: nothing.' }),
  })
  .refine(({ publish, subscribe, ask }) => [publish, subscribe, ask].filter((one) => one !== undefined).length < 2, {
    error: 'must have one of publish, subscribe and ask; with none of them it is a login alone',
  })

export type NatsRequest = z.output<typeof request>
