import { derivedKey } from '../sealing/keyring.ts'
import { type CursorBinding, type Position, readCursor, writeCursor } from '../wire/cursor.ts'

const INFO = 'federation-gateway/cursor/v1'

/** Cursors of one gateway: by keys of the secrets that seal, so that those of before a rotation are read still. */
export class Cursors {
  readonly #keys: readonly [Buffer, ...Buffer[]]

  /** `salt`: the database's own. Without a secret, which a gateway that knows no peers has none of, it is all that there is. */
  constructor(sealing: { readonly secret: string; readonly previous: readonly string[] } | undefined, salt: Buffer) {
    const { secret, previous } = sealing ?? { secret: salt.toString('base64'), previous: [] }
    const keyOf = (text: string) => derivedKey(text, salt, INFO)
    this.#keys = [keyOf(secret), ...previous.map(keyOf)]
  }

  write(position: Position, binding: CursorBinding): string {
    return writeCursor(this.#keys[0], position, binding)
  }

  /** Undefined for one that is not of this query under this grant. */
  read(cursor: string, binding: CursorBinding): Position | undefined {
    return readCursor(this.#keys, cursor, binding)
  }
}
