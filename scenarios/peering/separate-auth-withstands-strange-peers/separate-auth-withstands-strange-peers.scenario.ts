import { attacks } from 'holdfast/vitest'

const cases = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19, 24, 26, 27, 28, 29, 30, 31]

await attacks('separate-auth', { cases: cases.map((number) => `PEER-${String(number).padStart(2, '0')}`) })
