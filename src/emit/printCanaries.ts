import type { Canaries } from '../plan/canaries.ts'
import type { Call, Program, Step } from '../plan/program.ts'
import { identifier, stringLiteral } from './identifier.ts'

/** The looks at the guards of a debug build, one before every call and one at the end. Where it is off, texts stay as they are. */
export class Looks {
  readonly #numbers = new Map<Call, { readonly first: number; readonly perRound: number }>()
  readonly #end: number | undefined

  /** A call in a repeat counts in every round. */
  constructor({ steps }: Program, isOn: boolean) {
    if (!isOn) return
    let end = 0
    for (const step of steps) {
      const calls = callsIn(step)
      const perRound = step.kind === 'repeat' ? calls.length : 0
      calls.forEach((call, at) => {
        this.#numbers.set(call, { first: end + at, perRound })
      })
      end += calls.length * (step.kind === 'repeat' ? step.count : 1)
    }
    this.#end = end
  }

  /** The text of a call behind its look. `table`: that of the repeat which holds it, whose row is `at`. */
  before(call: Call, text: string, table?: string): string {
    const number = this.#numbers.get(call)
    if (!number) return text
    const { first, perRound } = number
    const round = table ? ` + ${perRound} * (int32_t)(at - ${table}s)` : ''
    return `    ck_canary_look(s, part, ${first}${round});\n${text}`
  }

  /** The body of a step function with its last look. */
  around(body: string): string {
    return this.#end === undefined ? body : `${body}\n\n    ck_canary_look(s, part, ${this.#end});`
  }
}

function callsIn(step: Step): readonly Call[] {
  if (step.kind === 'barrier') return []
  return step.kind === 'call' ? [step] : step.body.filter((inner) => inner.kind === 'call')
}

/** The tables of what a debug build watches, and `canaries`, those of each program in the order of the programs. */
export function printCanaries(programs: readonly { readonly mode: string; readonly canaries: Canaries }[]): string {
  const tables = programs.map(({ mode, canaries: { calls, guards } }) => {
    const name = identifier(mode)
    const callRows = calls.map((call) => `    {${stringLiteral(call.name)}, ${stringLiteral(call.phase)}},`)
    const guardRows = guards.map(
      ({ buffer, offset, bytes, first, last }) =>
        `    {${stringLiteral(buffer)}, ${offset}u, ${bytes}u, ${first}, ${last}},`,
    )
    return (
      `/* The calls of a ${mode} step and their phases. */\n` +
      `static const ck_guarded_call ${name}_calls[] = {\n${callRows.join('\n')}\n};\n\n` +
      `/* Bytes of the memory behind buffers, and the first and the last call that they are guarded through. */\n` +
      `static const ck_guard ${name}_guards[] = {\n${guardRows.join('\n')}\n};`
    )
  })
  const rows = programs.map(({ mode, canaries: { calls, guards } }) => {
    const name = identifier(mode)
    return `    {${name}_calls, ${calls.length}, ${name}_guards, ${guards.length}},`
  })
  return [...tables, `static const ck_canaries canaries[] = {\n${rows.join('\n')}\n};`].join('\n\n')
}
