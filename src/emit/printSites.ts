import type { Barrier, Call, Mode } from '../plan/program.ts'
import type { Site } from '../plan/sites.ts'
import { stringLiteral } from './identifier.ts'

/** The calls that count a profile build's sites. Without sites it leaves every text as it is. */
export class Laps {
  readonly #numbers: ReadonlyMap<Call | Barrier | undefined, number>
  readonly #ends: ReadonlyMap<Mode, number>

  constructor(sites: readonly Site[]) {
    this.#numbers = new Map(sites.map(({ call, barrier }, number) => [call ?? barrier, number]))
    this.#ends = new Map(sites.flatMap(({ mode, kind }, number) => (kind === 'step' ? [[mode, number]] : [])))
  }

  /** The text of a step, and behind it the lap that it ends. */
  behind(step: Call | Barrier, text: string, indent: string): string {
    const number = this.#numbers.get(step)
    return number === undefined ? text : `${text}\n${indent}ck_profile_lap(s, part, ${number});`
  }

  /** The body of a step function, with the begin and the end of the step: its last two sites. */
  around(mode: Mode, body: string): string {
    const end = this.#ends.get(mode)
    if (end === undefined) return body
    return [
      '    ck_profile_begin(s, part);\n',
      `${body}\n`,
      '    ck_wait(s->barrier, part);',
      `    ck_profile_lap(s, part, ${end - 1});`,
      `    ck_profile_end(s, part, ${end});`,
    ].join('\n')
  }
}

/** The table of the sites in C. */
export function printSites(sites: readonly Site[]): string {
  const rows = sites.map((site, number) => {
    const cells = [site.mode, site.layer, kernelOf(site), site.value].map(stringLiteral)
    return `    /* ${String(number).padStart(String(sites.length).length)} */ {${cells.join(', ')}},`
  })
  return `/* What a profile counts: mode, layer, kernel, value. */\nstatic const ck_site sites[] = {\n${rows.join('\n')}\n};`
}

/** What a site runs: a kernel's name, or its own kind. */
function kernelOf({ kind, call }: Site): string {
  return call?.kernel ?? kind
}
