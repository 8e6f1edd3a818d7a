import type { AttributeType, Kernel } from '../kernels/kernel.ts'
import { type Family, familyNames, kernels, kernelsOf } from '../kernels/registry.ts'
import type { PlacedBuffer } from '../plan/planMemory.ts'
import {
  type Call,
  type Column,
  callsOf,
  type PackedWeight,
  type Place,
  type Program,
  type Repeat,
  type Step,
} from '../plan/program.ts'
import { Constants } from './constants.ts'
import { defineLines, identifier, wrapCall, wrapList } from './identifier.ts'
import type { ProgramSource } from './modelSource.ts'
import { Looks } from './printCanaries.ts'
import { Laps, printSites } from './printSites.ts'

/** The kernels that the programs call, by family. Families are sorted, kernels in the order of their family. */
export function usedKernels(programs: readonly Program[]): ReadonlyMap<Family, readonly Kernel[]> {
  const called = new Set(programs.flatMap(({ steps }) => [...callsOf(steps)].map(({ call }) => call.kernel)))
  return new Map(
    familyNames.toSorted().flatMap((family) => {
      const used = kernelsOf(family).filter(({ name }) => called.has(name))
      return used.length > 0 ? [[family, used] as const] : []
    }),
  )
}

/** The paragraphs of model.c that are its programs: sizes, offsets, tables, and a step function `<mode>` for each. */
export function printPrograms(source: ProgramSource): readonly string[] {
  const constants = new Constants()
  const tables = new Tables(source)
  const { sites = [] } = source
  const laps = new Laps(sites)
  const functions = source.programs.map((program) => {
    const looks = new Looks(program, source.canaries !== undefined)
    return printProgram({ source, program, constants, tables, laps, looks })
  })
  const readsWeights = source.plan.weights.length > 0
  return [
    [
      '#include "model.h"',
      '',
      ...[...usedKernels(source.programs).keys()].map((family) => `#include "${family}.h"`),
    ].join('\n'),
    `/* Sizes, in elements. */\n${constants.print()}`,
    ...source.programs.map((program) => printOffsets(source, program)),
    ...(readsWeights ? [printWeights(source)] : []),
    `static inline void *memory(const ck_step *s, uint64_t offset)\n{\n    return s->memory + offset;\n}`,
    ...(readsWeights
      ? [`static inline const void *weight(const ck_step *s, uint64_t offset)\n{\n    return s->weights + offset;\n}`]
      : []),
    ...tables.print(),
    ...functions,
    ...(sites.length > 0 ? [printSites(sites)] : []),
  ]
}

function printOffsets(source: ProgramSource, program: Program): string {
  const direct = new Set<string>()
  for (const { call } of callsOf(program.steps)) {
    for (const place of Object.values(call.buffers)) if (place?.in === 'memory') direct.add(place.buffer)
  }
  const lines = source.plan.buffers[program.mode]!.filter((buffer) => isOwn(source, buffer) && direct.has(buffer.name))
    .toSorted((a, b) => a.first - b.first || a.offset - b.offset)
    .map((buffer) => [offsetName(program, buffer.name), `${buffer.offset}u`, describe(buffer)] as const)
  return `/* Where the values of a ${program.mode} step lie: bytes from the start of the context's memory. */\n${defineLines(lines).join('\n')}`
}

/** Whether the buffer's offset is this program's own matter; others are in model.h. */
function isOwn({ shared }: ProgramSource, { region }: PlacedBuffer): boolean {
  return !shared.includes(region)
}

/** Offsets of the weights that calls name directly; those that differ between layers are in the tables. */
function printWeights(source: ProgramSource): string {
  const direct = new Set<string>()
  for (const program of source.programs) {
    for (const { call } of callsOf(program.steps)) {
      for (const place of Object.values(call.buffers)) if (place?.in === 'weights') direct.add(place.weight)
    }
  }
  const lines = source.plan.weights
    .filter(({ name }) => direct.has(name))
    .map((weight) => [weightName(weight.name), `${weight.offset}u`, describeWeight(weight)] as const)
  return `/* Where the weights lie that are not of a layer: bytes from the start of the weights. */\n${defineLines(lines).join('\n')}`
}

function describeWeight({ name, dtype, rows, cols, layout, parts }: PackedWeight): string {
  const shape = parts.length > 1 ? `${parts.length}, ${rows}, ${cols}` : `${rows}, ${cols}`
  return `${name} ${dtype} [${shape}] as ${layout}`
}

function weightName(name: string): string {
  return `WEIGHT_${identifier(name.replaceAll('.weight', ''))}`.toUpperCase()
}

function describe({ name, dtype, shape, first, last }: PlacedBuffer): string {
  return `${name} ${dtype} [${shape.join(', ')}], calls ${first} to ${last}`
}

function offsetName(program: Program, buffer: string): string {
  return `${program.mode}_${identifier(buffer)}`.toUpperCase()
}

/** The tables of repeats; programs with equal tables share one. */
class Tables {
  readonly #source: ProgramSource
  readonly #printed = new Map<string, string>()

  constructor(source: ProgramSource) {
    this.#source = source
  }

  /** The name of a repeat's table; its row type is `struct <name>`. */
  nameOf(program: Program, repeat: Repeat): string {
    const width = Math.max(0, ...repeat.columns.map(({ name }) => name.length)) + 1
    const fields = repeat.columns.map(
      (column) =>
        `    ${column.in === 'numbers' ? 'int64_t ' : 'uint64_t'} ${`${column.name};`.padEnd(width)} /* ${this.#describe(program, column)} */`,
    )
    const rows = Array.from({ length: repeat.count }, (_, round) => {
      const cells = repeat.columns.map((column) => this.#cell(program, column, round))
      return wrapList('    {', cells, '},')
    })
    const text = (name: string) =>
      `/* What differs between layers: bytes from the start of the weights or of the memory. Named for the first layer. */\nstruct ${name} {\n` +
      `${fields.join('\n')}\n};\n\nstatic const struct ${name} ${name}s[${repeat.count}] = {\n${rows.join('\n')}\n};`
    const key = text('')
    const known = [...this.#printed].find(([, other]) => other === key)
    if (known) return known[0]
    const name = this.#printed.size === 0 ? 'layer' : `layer_${this.#printed.size + 1}`
    this.#printed.set(name, key)
    return name
  }

  print(): string[] {
    return [...this.#printed].map(([name, text]) => {
      return text.replace('struct  {', `struct ${name} {`).replace('struct  s[', `struct ${name} ${name}s[`)
    })
  }

  #cell(program: Program, { in: region, entries }: Column, round: number): string {
    const entry = entries[round]!
    return region === 'numbers' ? entry : `${this.#offset(program, region, entry)}u`
  }

  #describe(program: Program, { in: region, entries }: Column): string {
    const name = entries[0]!
    if (region === 'numbers') return `${name}, ...`
    if (region === 'weights') return describeWeight(this.#source.plan.weights.find((weight) => weight.name === name)!)
    const { dtype, shape } = this.#source.plan.buffers[program.mode]!.find((buffer) => buffer.name === name)!
    return `${name} ${dtype} [${shape.join(', ')}]`
  }

  #offset(program: Program, kind: 'weights' | 'memory', name: string): number {
    const list: readonly { name: string; offset: number }[] =
      kind === 'weights' ? this.#source.plan.weights : this.#source.plan.buffers[program.mode]!
    return list.find((entry) => entry.name === name)!.offset
  }
}

/** A program on its way to text, and what its texts share. */
interface Printing {
  readonly source: ProgramSource
  readonly program: Program
  readonly constants: Constants
  readonly tables: Tables
  readonly laps: Laps
  readonly looks: Looks
}

function printProgram(printing: Printing): string {
  const { program, laps, looks } = printing
  const functions: string[] = []
  const lines = program.steps.map((step) => printStep(printing, step, undefined, functions))
  const body = laps.around(program.mode, looks.around(printSteps(program.steps, lines)))
  return [...functions, `static void ${program.mode}(const ck_step *s, int part, int parts)\n{\n${body}\n}`].join(
    '\n\n',
  )
}

/**
 * The texts of steps with an empty line between calls; a barrier stands with the call that it is for. Claimed calls up to a
 * barrier are a loop.
 */
function printSteps(steps: readonly Step[], texts: readonly string[]): string {
  const isClaimed = (at: number) => {
    const step = steps[at]
    return step?.kind === 'call' && step.isClaimed === true
  }
  const lines = texts.map((text, at) => {
    const space = at === 0 || steps[at - 1]!.kind === 'barrier' ? '' : '\n'
    const open =
      isClaimed(at) && !isClaimed(at - 1) ? '    for (int piece; ck_claim(s->barrier, part, &piece);) {\n' : ''
    const close = isClaimed(at) && !isClaimed(at + 1) ? '\n    }' : ''
    return `${space}${open}${text}${close}`
  })
  const pieces = steps.some((_, at) => isClaimed(at)) ? '    const int pieces = ck_pieces(parts);\n\n' : ''
  return pieces + lines.join('\n')
}

/** A repeat and the name of its table. */
interface Layer {
  readonly repeat: Repeat
  readonly table: string
}

/** The text of a step; those of a repeat are a function of their own. */
function printStep(printing: Printing, step: Step, layer: Layer | undefined, functions: string[]): string {
  const { program, tables, laps, looks } = printing
  if (step.kind === 'barrier') return laps.behind(step, '    ck_wait(s->barrier, part);', '    ')
  if (step.kind === 'call') {
    const indent = step.isClaimed ? '        ' : '    '
    const text = printCall(printing, step, layer?.repeat, indent)
    return laps.behind(step, looks.before(step, text, layer?.table), indent)
  }
  const table = tables.nameOf(program, step)
  const name = `${program.mode}_layer${functions.length > 0 ? `_${functions.length + 1}` : ''}`
  const body = step.body.map((inner) => printStep(printing, inner, { repeat: step, table }, functions))
  const head = `static void ${name}(const ck_step *s, int part, int parts, const struct ${table} *at)`
  functions.push(`${head}\n{\n${printSteps(step.body, body)}\n}`)
  return `    for (int i = 0; i < ${step.count}; i++)\n        ${name}(s, part, parts, &${table}s[i]);`
}

function printCall(
  { source, program, constants }: Printing,
  call: Call,
  repeat: Repeat | undefined,
  indent: string,
): string {
  const kernel = kernels.get(call.kernel)!
  const dims = constants.dims(call)
  const written = Object.values(kernel.buffers).find(({ access }) => access !== 'read')!
  const shape = written.shape.map((dim) => (typeof dim === 'string' ? call.dims[dim] : dim)).join(', ')
  const args = [
    ...(call.isClaimed ? ['piece', 'pieces'] : ['part', 'parts']),
    ...kernel.dims.map((dim) => dims[dim]!),
    ...Object.entries(kernel.attributes).map(([name, type]) => printAttribute(call.attributes[name]!, type, repeat)),
    ...Object.keys(kernel.buffers).map((name) => printPlace(source, program, call.buffers[name]!, repeat)),
  ]
  return `${indent}/* ${(call.makes ?? [call.name]).join(', ')} ${written.dtype} [${shape}] */\n${wrapCall(indent, `ck_${call.kernel}`, args)}`
}

function printAttribute(value: Call['attributes'][string], type: AttributeType, repeat: Repeat | undefined): string {
  return typeof value === 'number' ? printNumber(value, type) : `at->${repeat!.columns[value.column]!.name}`
}

function printNumber(value: number, type: AttributeType): string {
  if (type === 'int64_t') return String(value)
  const text = type === 'float' ? shortestFloat(value) : String(value)
  const point = /[.e]/.test(text) ? text : `${text}.0`
  return type === 'float' ? `${point}f` : point
}

/** The shortest decimal that reads back as the nearest float32. */
function shortestFloat(value: number): string {
  const nearest = Math.fround(value)
  for (let digits = 1; digits < 10; digits++) {
    const text = String(Number(nearest.toPrecision(digits)))
    if (Math.fround(Number(text)) === nearest) return text
  }
  return String(nearest)
}

function printPlace(source: ProgramSource, program: Program, place: Place | null, repeat: Repeat | undefined): string {
  if (place === null) return 'NULL'
  switch (place.in) {
    case 'weights':
      return `weight(s, ${weightName(place.weight)})`
    case 'memory': {
      const buffer = source.plan.buffers[program.mode]!.find(({ name }) => name === place.buffer)!
      const base = isOwn(source, buffer)
        ? offsetName(program, buffer.name)
        : `MODEL_${identifier(buffer.name).toUpperCase()}`
      return `memory(s, ${base}${place.offset > 0 ? ` + ${place.offset}` : ''})`
    }
    case 'table': {
      const column = repeat!.columns[place.column]!
      const beyond = place.offset ? ` + ${place.offset}` : ''
      return `${column.in === 'weights' ? 'weight' : 'memory'}(s, at->${column.name}${beyond})`
    }
    default:
      return place satisfies never
  }
}
