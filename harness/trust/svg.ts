import type { TrustGraph } from './graph.ts'
import { type Arrow, type Box, type GraphPicture, pictureOf } from './picture.ts'

// Lengths are SVG user units. Trust domains are columns, their nodes are boxes below each other.
const box = { width: 230, line: 17, padding: 12, gap: 56 }
const column = { gap: 400, left: 150, right: 60, top: 64 }
const legendHeight = 40

interface Placed extends Box {
  column: number
  x: number
  y: number
  height: number
}

const colours: Readonly<Record<Arrow['style'], string>> = {
  dotted: '#6b7280',
  thin: '#2563eb',
  thick: '#15803d',
}

/** A trust graph as an SVG text; the same graph gives the same text, byte by byte. */
export function svgPicture(graph: TrustGraph): string {
  const { title, groups, arrows, legend } = pictureOf(graph)
  const boxes = groups.flatMap((group, index) => placeColumn(group.boxes, index))
  const placed = new Map(boxes.map((each) => [each.name, each]))
  const bottom = Math.max(...boxes.map(({ y, height }) => y + height), column.top) + 24
  const width = Math.max(720, columnX(groups.length - 1) + box.width + column.right + 150)
  const frames = groups.map(({ name }, index) => frame(name, index, bottom))
  const lines = routes(arrows, placed)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bottom + legendHeight}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    '<defs>',
    ...Object.entries(colours).map(([style, colour]) => marker(style, colour)),
    '</defs>',
    `<rect width="${width}" height="${bottom + legendHeight}" fill="#ffffff"/>`,
    ...frames,
    ...lines.map(({ path }) => path),
    ...boxes.map(boxElement),
    ...lines.map(({ label }) => label),
    legendLine(legend, bottom + 22),
    '</svg>',
    '',
  ].join('\n')
}

function columnX(index: number): number {
  return column.left + 16 + index * (box.width + column.gap)
}

function placeColumn(boxes: readonly Box[], index: number): Placed[] {
  let y = column.top
  return boxes.map((each) => {
    const height = 2 * box.padding + box.line * (1 + each.lines.length)
    const result = { ...each, column: index, x: columnX(index), y, height }
    y += height + box.gap
    return result
  })
}

function frame(name: string, index: number, bottom: number): string {
  const x = columnX(index) - column.left
  const width = box.width + column.left + column.right
  return [
    `<rect x="${x}" y="16" width="${width}" height="${bottom - 16}" rx="10" fill="#f8fafc" stroke="#cbd5e1"/>`,
    `<text x="${x + 14}" y="38" font-weight="600" fill="#334155">${escaped(name)}</text>`,
  ].join('\n')
}

function boxElement({ name, lines, x, y, height }: Placed): string {
  const row = (text: string, index: number, style: string) =>
    `<text x="${x + box.padding}" y="${y + box.padding + 12 + index * box.line}" ${style}>${escaped(text)}</text>`
  return [
    `<rect x="${x}" y="${y}" width="${box.width}" height="${height}" rx="6" fill="#ffffff" stroke="#64748b"/>`,
    row(name, 0, 'font-weight="600" fill="#0f172a"'),
    ...lines.map((line, index) => row(line, index + 1, 'fill="#475569" font-size="11"')),
  ].join('\n')
}

/** A side of a box, at which a line begins or ends; `outwards`: -1 is the left one, 1 the right one. */
interface End {
  box: Placed
  outwards: number
}

/** A place of its own there. */
interface Point extends Pick<End, 'outwards'> {
  x: number
  y: number
}

/** Lines leave and enter a box at the side that faces the other one, each at a place of its own. */
function routes(arrows: readonly Arrow[], placed: ReadonlyMap<string, Placed>): { path: string; label: string }[] {
  const ends = arrows.map((arrow) => endsOf(arrow, placed.get(arrow.from)!, placed.get(arrow.to)!))
  const key = ({ box: { name }, outwards }: End) => `${name} ${outwards}`
  const bySide = Map.groupBy(ends.flat(), key)
  const pointOf = (end: End): Point => {
    const { box: to, outwards } = end
    const all = bySide.get(key(end))!
    const y = Math.round(to.y + (to.height * (all.indexOf(end) + 1)) / (all.length + 1))
    return { x: outwards < 0 ? to.x : to.x + box.width, y, outwards }
  }
  return arrows.map((arrow, index) => {
    const [from, to] = ends[index]!
    return line(arrow, pointOf(from), pointOf(to), index)
  })
}

function endsOf({ style }: Arrow, from: Placed, to: Placed): readonly [End, End] {
  const forward = Math.sign(to.column - from.column)
  const beside = style === 'dotted' ? -1 : 1
  return [
    { box: from, outwards: forward || beside },
    { box: to, outwards: -forward || beside },
  ]
}

function line({ label, style }: Arrow, from: Point, to: Point, index: number): { path: string; label: string } {
  const beside = from.outwards === to.outwards
  const reach = beside ? 30 + Math.round(Math.abs(from.y - to.y) / 10) + (index % 4) * 5 : 130
  const [fromX, toX] = [from.x + from.outwards * reach, to.x + to.outwards * reach]
  const dashes = style === 'dotted' ? ' stroke-dasharray="2 4"' : ''
  const width = style === 'thick' ? 2.5 : 1.2
  // Labels of lines between the same two columns are spread along their lines; those of side lines stand outside.
  const share = beside ? 0.5 : [0.5, 0.36, 0.64][index % 3]!
  const x = bezier(from.x, fromX, toX, to.x, share) + (beside ? 6 * from.outwards : 0)
  const y = bezier(from.y, from.y, to.y, to.y, share) + (beside ? 3 : -4)
  const anchor = beside ? (from.outwards < 0 ? 'end' : 'start') : 'middle'
  return {
    path: `<path d="M${from.x} ${from.y}C${fromX} ${from.y} ${toX} ${to.y} ${to.x} ${to.y}" fill="none" stroke="${colours[style]}" stroke-width="${width}"${dashes} marker-end="url(#${style})"/>`,
    label: `<text x="${x}" y="${y}" font-size="10" text-anchor="${anchor}" fill="${colours[style]}" stroke="#ffffff" stroke-width="3" paint-order="stroke">${escaped(label)}</text>`,
  }
}

function bezier(a: number, b: number, c: number, d: number, t: number): number {
  const u = 1 - t
  return Math.round(u ** 3 * a + 3 * u * u * t * b + 3 * u * t * t * c + t ** 3 * d)
}

function marker(style: string, colour: string): string {
  return `<marker id="${style}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" fill="${colour}"/></marker>`
}

function legendLine(legend: GraphPicture['legend'], y: number): string {
  return legend
    .map(({ style, text }, index) => `<text x="${24 + index * 230}" y="${y}" fill="${colours[style]}">→ ${text}</text>`)
    .join('\n')
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
