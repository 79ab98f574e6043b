import { parseSync, visitorKeys } from 'oxc-parser'

/** A small change of one expression of a module. Positions are offsets into its text. */
export interface Mutation {
  /** What is changed: `prefix`, `without case`, `dropped operand`. */
  readonly name: string
  readonly start: number
  readonly end: number
  /** The expression that takes its place. */
  readonly text: string
  /** It begins a statement: without a semicolon before it, a parenthesis would call what stands above. */
  readonly isFirst?: boolean
}

/** A node of the syntax tree (ESTree): what is read of it here stands in members that its type has. */
export interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly end: number
  // biome-ignore lint/suspicious/noExplicitAny: the tree has a type for each of 160 kinds of nodes, and this walks over all of them.
  readonly [member: string]: any
}

/** @throws Error where a module cannot be parsed */
export function syntaxOf(file: string, source: string): SyntaxNode {
  const { program, errors } = parseSync(file, source)
  if (errors.length > 0) throw new Error(`${file} cannot be parsed: ${errors[0]?.message}`)
  return program as unknown as SyntaxNode
}

export function childrenOf(node: SyntaxNode): SyntaxNode[] {
  return (visitorKeys[node.type] ?? []).flatMap((key) => node[key] ?? []).filter((child) => child !== null)
}

/** What a module says about itself that a mutation of a use needs: its constants by name. */
interface Scope {
  readonly source: string
  readonly constants: ReadonlyMap<string, SyntaxNode>
}

/** Messages and what is written to a log decide nothing; a changed bound of a loop mostly never ends. Types are gone when it runs. */
const LEFT_OUT =
  /^(ThrowStatement|TemplateLiteral|ImportDeclaration|TS(?!AsExpression|NonNullExpression|SatisfiesExpression))/
/** Conditions whose own kind has mutations. */
const MUTATED_ITSELF = /^(Binary|Logical|Unary)Expression$/
const LOOPS = new Set(['ForStatement', 'WhileStatement', 'DoWhileStatement'])

/** Every mutation of the expressions inside the functions of a module, in the order of its text. */
export function mutationsOf(file: string, source: string): Mutation[] {
  const program = syntaxOf(file, source)
  const scope = { source, constants: constantsOf(program) }
  const found = new Map<string, Mutation>()
  const statements = new Set<number>()
  const visit = (node: SyntaxNode, parent: SyntaxNode, isInFunction: boolean, spine: boolean): void => {
    if (LEFT_OUT.test(node.type)) return
    if (node.type === 'ExpressionStatement' && /^(BlockStatement|Program)$/.test(parent.type))
      statements.add(node.start)
    if (isInFunction && !spine) {
      for (const one of mutationsAt(node, parent, scope)) {
        if (one.text !== source.slice(one.start, one.end)) found.set(`${one.start} ${one.end} ${one.text}`, one)
      }
    }
    for (const child of childrenOf(node)) {
      if (LOOPS.has(node.type) && child !== node.body) continue
      // In `a?.b.trim().split(',')` the middle cannot be taken out: what follows it is left out with it where `a` is undefined.
      const isLink = child === node.object || child === node.callee
      visit(
        child,
        node,
        isInFunction || /Function/.test(node.type),
        isLink && (spine || parent.type === 'ChainExpression'),
      )
    }
  }
  visit(program, program, false, false)
  const sorted = [...found.values()].toSorted((a, b) => a.start - b.start || a.end - b.end)
  return sorted.map((one) => (statements.has(one.start) ? { ...one, isFirst: true } : one))
}

/** Constants of the module by name: regular expressions, and lists or sets of texts. */
function constantsOf(program: SyntaxNode): Map<string, SyntaxNode> {
  const statements: SyntaxNode[] = program.body.map((one: SyntaxNode) => one.declaration ?? one)
  const declared = statements
    .filter(({ type }) => type === 'VariableDeclaration')
    .flatMap(({ declarations }) => declarations)
  return new Map(declared.flatMap(({ id, init }) => (init && /^[A-Z]/.test(id.name) ? [[id.name, init] as const] : [])))
}

function mutationsAt(node: SyntaxNode, parent: SyntaxNode, scope: Scope): Mutation[] {
  const text = (of: SyntaxNode) => scope.source.slice(of.start, of.end)
  const at = (of: SyntaxNode) => (name: string, replacement: string) => ({
    name,
    ...{ start: of.start, end: of.end },
    text: replacement,
  })
  const here = at(node)
  switch (node.type) {
    case 'BinaryExpression':
      return comparisons(node, text).map(([name, replacement]) => here(name, replacement))
    case 'LogicalExpression':
      return operands(node, text).map((operand) => here('dropped operand', text(operand)))
    case 'UnaryExpression':
      return node.operator === '!' ? [here('inverted', `!${text(node)}`)] : []
    case 'ConditionalExpression':
      return MUTATED_ITSELF.test(node.test.type) ? [] : [at(node.test)('inverted', `!(${text(node.test)})`)]
    case 'IfStatement': {
      const [last] = node.consequent.type === 'BlockStatement' ? node.consequent.body.slice(-1) : [node.consequent]
      const isWayOut = node.alternate === null && (last?.type === 'ReturnStatement' || last?.type === 'ThrowStatement')
      const change = at(node.test)
      const inverted = MUTATED_ITSELF.test(node.test.type) ? [] : [change('inverted', `!(${text(node.test)})`)]
      return isWayOut ? [...inverted, change('skipped', 'false')] : inverted
    }
    case 'ReturnStatement':
    case 'ArrowFunctionExpression': {
      const answer = node.type === 'ReturnStatement' ? node.argument : node.body
      return isYesOrNo(answer) ? [at(answer)('early return', 'true'), at(answer)('early return', 'false')] : []
    }
    case 'CallExpression':
      return calls(node, parent, text).map(([name, replacement]) => here(name, replacement))
    case 'MemberExpression':
      return text(node) === 'Date.now' && parent.callee !== node
        ? [here('other clock', '(() => performance.now())')]
        : []
    case 'Identifier':
      return uses(node, parent, scope).map(([name, replacement]) => here(name, replacement))
    default:
      return []
  }
}

type Replacement = readonly [name: string, text: string]
type Text = (of: SyntaxNode) => string

/** The operands that may stand alone: without what is there for the compiler, nothing would be changed. */
function operands({ operator, left, right }: SyntaxNode, text: Text): SyntaxNode[] {
  const isEmpty = /^(''|\{\}|\[\])$/.test(text(right))
  if (operator === '??' && isEmpty) return [right]
  // Nothing is less or more than undefined.
  const isOfUndefined = left.operator === '!==' && text(left.right) === 'undefined' && /^[<>]=?$/.test(right.operator)
  const isOfTheSame = isOfUndefined && [right.left, right.right].some((side) => text(side).startsWith(text(left.left)))
  return operator === '&&' && isOfTheSame ? [left] : [left, right]
}

function isYesOrNo(node: SyntaxNode | null): boolean {
  if (node === null) return false
  if (node.type === 'LogicalExpression') return node.operator !== '??' && isYesOrNo(node.left)
  if (node.type === 'UnaryExpression') return node.operator === '!'
  if (node.type === 'CallExpression')
    return /^(every|some|includes|has|test|startsWith|equals)$/.test(node.callee.property?.name)
  return node.type === 'BinaryExpression' && /^([=!]==?|[<>]=?)$/.test(node.operator)
}

function comparisons(node: SyntaxNode, text: Text): Replacement[] {
  const { left, right, operator } = node
  const [a, b] = [text(left), text(right)]
  if (operator === '===' || operator === '!==') {
    const not = operator === '===' ? '' : '!'
    const inverted: Replacement = ['inverted', `(${a}) ${operator === '===' ? '!==' : '==='} (${b})`]
    return isOfTexts(left) && isOfTexts(right)
      ? [inverted, ...nearMisses(a, b).map(([name, same]) => [name, `${not}(${same})`] as const)]
      : [inverted]
  }
  if (!/^[<>]=?$/.test(operator)) return []
  const opposite = { '<': '>=', '<=': '>', '>': '<=', '>=': '<' }[operator as '<']
  const sides = [
    [left, (changed: string) => `(${changed}) ${operator} (${b})`],
    [right, (changed: string) => `(${a}) ${operator} (${changed})`],
  ] as const
  return [
    ['inverted', `(${a}) ${opposite} (${b})`],
    ...sides.flatMap(([side, whole]) => bounds(side, text).map(([name, changed]) => [name, whole(changed)] as const)),
  ]
}

/** A constant ten times as large or small; a sum without its second part. */
function bounds(side: SyntaxNode, text: Text): Replacement[] {
  const isConstant =
    side.type === 'Identifier' ? /^[A-Z][A-Z_]+$/.test(side.name) : side.type === 'Literal' && side.value > 1
  if (isConstant)
    return [
      ['bound × 10', `${text(side)} * 10`],
      ['bound ÷ 10', `${text(side)} / 10`],
    ]
  return side.type === 'BinaryExpression' && side.operator === '+' ? [['dropped operand', text(side.left)]] : []
}

/** Whether two things may be texts that are nearly equal: no fixed word, no number, no type, no yes or no. */
function isOfTexts(node: SyntaxNode): boolean {
  if (node.type === 'ParenthesizedExpression') return isOfTexts(node.expression)
  const name = node.property?.name ?? node.name ?? ''
  if (/^(is|has)[A-Z]/.test(name)) return false
  if (/^(undefined|length|size|status|seq|side|type|method|problem|reason)$|(Seq|Ms|At|Seconds|Count)$/.test(name))
    return false
  return !/^(Literal|UnaryExpression|ObjectExpression|ArrayExpression|AwaitExpression|NewExpression|BinaryExpression)$/.test(
    node.type,
  )
}

/** Ways in which `a` and `b` could be taken for the same. */
function nearMisses(a: string, b: string): Replacement[] {
  const [one, other] = [`String(${a})`, `String(${b})`]
  const isFolded = /toLowerCase/.test(a + b)
  // Digests are of one length, so none begins with another.
  const isOfDigests = /x5t$|thumbprint$/i.test(a) || /x5t$|thumbprint$/i.test(b)
  const prefixes = [`${one}.startsWith(${other})`, `${other}.startsWith(${one})`]
  return [
    ...(isOfDigests ? [] : prefixes.map((same) => ['prefix', same] as const)),
    ['first half', `${one}.slice(0, ${one}.length / 2) === ${other}.slice(0, ${one}.length / 2)`],
    ...(isFolded ? [] : [['without case', `${one}.toLowerCase() === ${other}.toLowerCase()`] as const]),
  ]
}

const CLOCKS: Readonly<Record<string, string>> = {
  'Date.now()': 'performance.now()',
  'performance.now()': 'Date.now()',
}

function calls(node: SyntaxNode, parent: SyntaxNode, text: Text): Replacement[] {
  const { callee, arguments: given } = node
  const whole = text(node)
  if (CLOCKS[whole] !== undefined) return [['other clock', CLOCKS[whole]]]
  const name: string = callee.property?.name ?? ''
  const of = callee.object
  if (of === undefined) return []
  const instead = (other: string) => `${text(of)}${callee.optional ? '?.' : '.'}${other}(${given.map(text).join(', ')})`
  if (name === 'now') return [['other clock', 'performance.now()']]
  if (name === 'every') return [['some for every', instead('some')]]
  if (name === 'some') return [['every for some', instead('every')]]
  if (name === 'startsWith') return [['anywhere', instead('includes')]]
  if (name === 'toLowerCase' || name === 'trim') return [[`without ${name}`, text(of)]]
  if (name === 'delete' || name === 'clear') return parent.type === 'ExpressionStatement' ? [['kept', 'undefined']] : []
  if (of.name === 'Math' && (name === 'min' || name === 'max'))
    return [[`${name} swapped`, instead(name === 'min' ? 'max' : 'min')]]
  if (name !== 'includes' || given.length !== 1) return []
  if (given[0].type === 'TemplateLiteral' || !isOfTexts(given[0])) return []
  return nearMisses('one', text(given[0])).map(([miss, same]) => [
    miss,
    `Array.from(${text(of)} ?? []).some((one) => ${same})`,
  ])
}

/** A use of a constant of the module: a pattern without its ends or with either case, a list or set without one of its members. */
function uses(node: SyntaxNode, parent: SyntaxNode, { constants }: Scope): Replacement[] {
  const constant = constants.get(node.name)
  if (constant === undefined || parent.property === node || /Specifier|Declarator|Property/.test(parent.type)) return []
  if (constant.regex !== undefined && constant.regex !== null) {
    return patterns(constant.regex.pattern, constant.regex.flags)
  }
  const isSet = constant.type === 'NewExpression' && constant.callee.name === 'Set'
  const list = isSet ? constant.arguments[0] : constant
  if (list?.type !== 'ArrayExpression') return []
  const members: SyntaxNode[] = list.elements.filter((one: SyntaxNode | null) => typeof one?.value === 'string')
  return members.map(({ value }) => {
    const rest = `[...${node.name}].filter((one) => one !== ${JSON.stringify(value)})`
    return [`without ${JSON.stringify(value)}`, isSet ? `new Set(${rest})` : `(${rest})`]
  })
}

function patterns(pattern: string, flags: string): Replacement[] {
  const pieces: Replacement[] = [
    ['pattern without ^', pattern.replace(/^\^/, '')],
    ['pattern without $', pattern.replace(/\$$/, '')],
  ]
  const changed = pieces
    .filter(([, other]) => other !== pattern)
    .map(([name, other]) => [name, `/${other}/${flags}`] as const)
  // A class of all letters has both cases already.
  const letters = pattern
    .replaceAll(/\\./g, '')
    .replaceAll(/\[[^\]]*\]/g, (all) => (/a-z.*A-Z|A-Z.*a-z/.test(all) ? '' : all))
  if (!/[a-zA-Z]/.test(letters) || flags.includes('i')) return changed
  return [...changed, ['pattern without case', `/${pattern}/${flags}i`]]
}

/** The text of a module in which every mutation waits to be switched on, `ask(number)` saying whether it is: the original otherwise. */
export function instrumented(
  source: string,
  mutations: readonly (Mutation & { number: number })[],
  ask: string,
): string {
  const byPlace = Map.groupBy(mutations, ({ start, end }) => `${start} ${end}`)
  const places = [...byPlace.values()].toSorted(([a], [b]) => a!.start - b!.start || b!.end - a!.end)
  let next = 0
  const emit = (start: number, end: number): string => {
    let [told, at] = ['', start]
    for (let place = places[next]; place?.[0] !== undefined && place[0].end <= end; place = places[next]) {
      const [first] = place
      next += 1
      const original = emit(first.start, first.end)
      const choices = place.map(({ number, text }) => `${ask}(${number}) ? (${text}) : `).join('')
      const semicolon = first.isFirst && first.start > start ? ';' : ''
      told += `${source.slice(at, first.start)}${semicolon}(${choices}(${original}))`
      at = first.end
    }
    return told + source.slice(at, end)
  }
  return emit(0, source.length)
}
