import type { SplitAutomaton } from './compilePattern.ts'
import { compileSplit } from './compileSplit.ts'
import { formTables } from './formTables.ts'
import { graphemeClusters } from './graphemeClusters.ts'
import { mapTables } from './mapTables.ts'
import type { NormalStep } from './normalStep.ts'

/** The numbers of the kinds of step in the blob. */
const stepKinds = { form: 0, map: 1, replace: 2, prepend: 3, strip: 4, charsmap: 5, squeeze: 6 } as const satisfies {
  readonly [S in NormalStep['step']]: number
}

/**
 * The sections `steps` and `stepTables` of the blob (blob.ts). Automata that steps need are added behind those in
 * `automata`. Raises tokenizer_invalid for a pattern that cannot be compiled.
 */
export function stepTables(
  steps: readonly NormalStep[],
  automata: SplitAutomaton[],
  path: string,
): { steps: Uint8Array; tables: Uint8Array } {
  const rows = new Uint8Array(24 * steps.length)
  const view = new DataView(rows.buffer)
  const parts: Uint8Array[] = []
  let bytes = 0
  steps.forEach((step, i) => {
    const { argument, table } = compileStep(step, automata, path)
    view.setUint32(24 * i, stepKinds[step.step], true)
    view.setUint32(24 * i + 4, argument, true)
    view.setBigUint64(24 * i + 8, BigInt(bytes), true)
    view.setBigUint64(24 * i + 16, BigInt(table.length), true)
    const room = new Uint8Array(Math.ceil(table.length / 8) * 8)
    room.set(table)
    parts.push(room)
    bytes += room.length
  })
  return { steps: rows, tables: Buffer.concat(parts) }
}

function compileStep(
  step: NormalStep,
  automata: SplitAutomaton[],
  path: string,
): { argument: number; table: Uint8Array } {
  const nothing = new Uint8Array(0)
  switch (step.step) {
    case 'form':
      return { argument: step.form === 'NFC' || step.form === 'NFKC' ? 1 : 0, table: formTables(step.form) }
    case 'map':
      return { argument: 0, table: mapTables(step.map) }
    case 'replace':
      return {
        argument: automata.push(compileSplit(path, step.pattern)) - 1,
        table: Buffer.from(step.content),
      }
    case 'prepend':
      return { argument: 0, table: Buffer.from(step.text) }
    case 'strip':
      return { argument: (step.left ? 1 : 0) + (step.right ? 2 : 0), table: nothing }
    case 'charsmap':
      return { argument: step.clusters ? automata.push(graphemeClusters()) : 0, table: step.charsmap }
    case 'squeeze':
      return { argument: step.ends === 'text' ? 1 : 0, table: nothing }
  }
}
