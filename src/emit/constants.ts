import type { Call } from '../plan/program.ts'
import { defineLines, identifier } from './identifier.ts'

/** The sizes of a model's calls as named constants, `<VALUE>_<DIM>`. A stride that is a row's width takes the width's name. */
export class Constants {
  readonly #values = new Map<string, number>()
  /** Names by the call that first used them. */
  readonly #groups = new Map<string, string[]>()

  /** The C text of each dim of a call: a constant's name, or the step's field for a symbol. */
  dims(call: Call): { readonly [dim: string]: string } {
    const widths = new Map<number, string>()
    return Object.fromEntries(
      Object.entries(call.dims).map(([dim, value]) => {
        if (typeof value === 'string') return [dim, `s->${value}`]
        if (value === 1) return [dim, '1']
        const shared = isStride(dim) ? widths.get(value) : undefined
        const name = shared ?? this.#claim(`${identifier(call.name)}_${snakeCase(dim)}`.toUpperCase(), value, call.name)
        if (!isStride(dim)) widths.set(value, name)
        return [dim, name]
      }),
    )
  }

  /** The definitions in the order of first use, a paragraph for each call. */
  print(): string {
    return [...this.#groups.values()]
      .map((names) => defineLines(names.map((name) => [name, String(this.#values.get(name))])).join('\n'))
      .join('\n\n')
  }

  #claim(wanted: string, value: number, call: string): string {
    for (let n = 1; ; n++) {
      const name = n === 1 ? wanted : `${wanted}_${n}`
      const known = this.#values.get(name)
      if (known !== undefined && known !== value) continue
      if (known === undefined) this.#groups.set(call, [...(this.#groups.get(call) ?? []), name])
      this.#values.set(name, value)
      return name
    }
  }
}

function isStride(dim: string): boolean {
  return dim.endsWith('Row')
}

/** `kvHeads` → `kv_heads` */
function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
