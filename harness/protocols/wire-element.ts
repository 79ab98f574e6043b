const numbers = new WeakMap<object, number>()
let known = 0

/** What differs below a request, as one text, the same for the same objects: functions have no text that could be compared. */
export function wireElement(...things: readonly (object | undefined)[]): string {
  return things.map((thing) => (thing === undefined ? 0 : numberOf(thing))).join(' ')
}

function numberOf(thing: object): number {
  const number = numbers.get(thing) ?? ++known
  numbers.set(thing, number)
  return number
}
