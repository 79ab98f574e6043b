import { z } from 'zod'
import { publicKey } from './public-key.ts'
import { ROLE_NAMES, USER_NAMES } from './roles.ts'

/** Written last into a folder that is handed over: only a set that it names, file by file, is one. */
export const MANIFEST_FILE = 'manifest.json'
/** Written last where a set was installed: which set that is. */
export const CURRENT_FILE = 'current.json'
/** A file of credentials has well below 2 KiB, and a manifest as many for each of a few files. */
export const LARGEST_FILE_BYTES = 65_536

const time = z.iso.datetime({ message: 'must be a time such as 2027-01-31T12:00:00.000Z' })

export const fileSchema = z.strictObject({
  /** A plain name: no folder, and nothing that is left out when a folder is listed. */
  name: z.string().regex(/^[a-z0-9_][a-z0-9_.-]{0,63}$/, 'must be the plain name of a file'),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'),
  size: z.int().min(1).max(LARGEST_FILE_BYTES),
  user: z.strictObject({
    name: z.enum(USER_NAMES),
    key: publicKey('U'),
    account: publicKey('A'),
    /** The key that signed it: that of its role, or one of its account that stands for no role. */
    signer: publicKey('A'),
    /** null: its permissions stand in its own JWT. */
    role: z.enum(ROLE_NAMES).nullable(),
  }),
  expiresAt: time,
})

const set = z.strictObject({
  version: z.literal(2, { error: 'must be 2: only those name who signed each user' }),
  /** Grows by one whenever a credential of any receiver is another one. */
  generation: z.int().min(1),
  operator: publicKey('O'),
  issuedAt: time,
  files: z
    .array(fileSchema)
    .min(1)
    .max(16)
    .refine((files) => new Set(files.map(({ name }) => name)).size === files.length, 'must name each file once'),
})

/** `manifest.json`: names public keys and digests, nothing secret. */
export const manifestSchema = set

/** `current.json`: the manifest of what is installed. Its `operator` is the one that later sets must have. */
export const currentSchema = set.extend({ installedAt: time })

export type Manifest = z.output<typeof manifestSchema>
export type ManifestFile = z.output<typeof fileSchema>
export type Current = z.output<typeof currentSchema>
