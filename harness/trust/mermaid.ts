import type { TrustGraph } from './graph.ts'
import { type Arrow, pictureOf } from './picture.ts'

/** A trust graph as Mermaid text: dotted and thin lines are what is issued, thick lines what is accepted. */
export function mermaidPicture(graph: TrustGraph): string {
  const { groups, arrows } = pictureOf(graph)
  return [
    'flowchart LR',
    ...groups.flatMap(({ name, boxes }) => [
      `  subgraph d${id(name)}["${text(name)}"]`,
      ...boxes.map(
        (box) => `    ${id(box.name)}["${[`<b>${text(box.name)}</b>`, ...box.lines.map(text)].join('<br/>')}"]`,
      ),
      '  end',
    ]),
    ...arrows.map(arrowLine),
    '',
  ].join('\n')
}

const lines: Readonly<Record<Arrow['style'], readonly [string, string]>> = {
  dotted: ['-.', '.->'],
  thin: ['--', '-->'],
  thick: ['==', '==>'],
}

function arrowLine({ from, to, label, style }: Arrow): string {
  const [begin, end] = lines[style]
  return `  ${id(from)} ${begin} "${text(label)}" ${end} ${id(to)}`
}

/** Some words, `end` among them, have a meaning of their own in Mermaid. */
function id(name: string): string {
  return `n_${name.replaceAll('-', '_')}`
}

/** Mermaid takes entities by number, with `#` for `&#`. */
function text(value: string): string {
  return value.replace(/[&<>"#]/g, (character) => `#${character.charCodeAt(0)};`)
}
