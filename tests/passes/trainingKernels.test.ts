import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { CkError } from '../../src/base/errors.ts'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import type { AnyOp, OpTable } from '../../src/ir/op.ts'
import { ops } from '../../src/ops/registry.ts'
import { trainingGraph } from '../../src/passes/trainingGraph.ts'
import { lower } from '../../src/plan/lower.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { opGraph } from '../conformance/opGraph.ts'

const goldens = fileURLToPath(new URL('../parity/goldens/', import.meta.url))
const table: OpTable = ops

/** Ops over whole sequences, which are not lowered as graphs have them. */
const overSequences = ['attention', 'causalConvolution', 'deltaRule'].flatMap((name) => [name, `${name}Backward`])

function isLowered(op: AnyOp): boolean {
  try {
    for (const sample of op.samples(4))
      lower(opGraph(op, sample as never), ops, { mode: 'trace', bounds: {}, lanes: 4 })
    return true
  } catch (error) {
    if (error instanceof CkError && error.code === 'kernel_missing') return false
    throw error
  }
}

it('all families train by ops that have kernels', () => {
  const folders = readdirSync(goldens, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  const found = new Map<string, string>()
  for (const { name } of folders.filter((folder) => !folder.name.startsWith('gguf'))) {
    const checkpoint = openCheckpoint(join(goldens, name))
    for (const { op } of trainingGraph(readModel(checkpoint).graph).graph.nodes) found.set(op, name)
    checkpoint.close()
  }
  expect(found.size).toBeGreaterThan(35)
  const slow = [...found.keys()].filter((op) => !overSequences.includes(op) && !isLowered(table[op]!))
  expect(slow).toEqual([])
})
