import { beforeAll, describe, expect, it } from 'vitest'
import type { Checkpoint } from '../../src/formats/checkpoint.ts'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import type { Graph } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { type Tensor, tensor } from '../../src/ir/tensor.ts'
import { verifyGraph } from '../../src/ir/verify.ts'
import { ops } from '../../src/ops/registry.ts'
import { compareTensors } from '../../src/parity/difference.ts'
import { fuseLoss } from '../../src/passes/fuseLoss.ts'
import { fuseSums } from '../../src/passes/fuseSums.ts'
import { type Kept, recompute } from '../../src/passes/recompute.ts'
import { trainingGraph } from '../../src/passes/trainingGraph.ts'
import { weightsAsRows } from '../../src/passes/weightsAsRows.ts'
import { type Model, readModel } from '../../src/templates/readModel.ts'
import { weightTensor } from '../../src/templates/weightRows.ts'
import { readGolden } from '../parity/golden.ts'

const size = { batch: 2, length: 3 }

/** Ids of two rows, of which the second is two documents. */
function inputsOf(vocabulary: number): { readonly [input: string]: Tensor } {
  const ids = [1, 7, 4, 9, 2, 3].map((id) => id % vocabulary)
  return {
    ids: tensor([6], ids),
    positions: tensor([6], [0, 1, 2, 0, 0, 1]),
    starts: tensor([6], [0, 0, 0, 3, 4, 4]),
    targets: tensor([6], [ids[1]!, ids[2]!, -1, -1, ids[5]!, 5]),
    total: tensor([1, 1], [9]),
  }
}

// A tied head, a capped one, a scaled one, fused products, biases, and layers of recurrence.
describe.each(['qwen3', 'gemma2', 'granite', 'phi3', 'gpt2', 'qwen35'])('the training graph of %s', (name) => {
  let checkpoint: Checkpoint
  let model: Model
  let graph: Graph
  let forward: Graph
  let outputs: ReadonlyMap<string, Tensor>

  const run = (given: Graph) => {
    const inputs = inputsOf(model.sizes.vocabulary)
    return interpret(given, ops, {
      given: (value) => {
        const weight = given.weights.find((candidate) => candidate.name === value)
        return weight ? weightTensor(checkpoint, model, weight.sources, weight.type.shape.map(Number)) : inputs[value]!
      },
    })
  }

  const expectSame = (after: Graph) => {
    const found = run(verifyGraph(after, ops))
    expect(after.outputs).toEqual(graph.outputs)
    for (const [value, expected] of outputs) {
      const { nmse } = compareTensors(expected, found.get(value)!)
      expect(nmse, value).toBeLessThan(1e-20)
    }
  }

  beforeAll(() => {
    checkpoint = openCheckpoint(readGolden(name).checkpoint)
    model = readModel(checkpoint, 8)
    const isFrozen = (weight: string) => model.sources.get(weight)?.from !== 'tensor'
    ;({ forward, graph } = trainingGraph(model.graph, { size, isFrozen }))
    outputs = run(graph)
    return () => checkpoint.close()
  })

  it('keeps its meaning where products and gradients begin with what they are added to', () => {
    const after = fuseSums(weightsAsRows(graph))
    expectSame(after)
    const begun = after.nodes.filter(({ inputs }) => inputs.sum !== undefined).map(({ op }) => op)
    expect(begun).toContain('matmul')
    expect(begun).toContain(name === 'gpt2' ? 'layerNormBackward' : 'rmsNormBackward')
    if (['phi3', 'gpt2'].includes(name)) expect(begun).toContain('sliceBackward')
  })

  it('keeps its meaning where head and loss are one', () => {
    const after = fuseLoss(graph)
    expect(after.nodes.filter(({ op }) => op === 'headLossGradients')).toHaveLength(1)
    expect(after.nodes.some(({ op }) => op === 'crossEntropy' || op === 'crossEntropyBackward')).toBe(false)
    expectSame(after)
    const loss = run(fuseLoss(forward)).get('loss')!
    expect(compareTensors(outputs.get('loss')!, loss).nmse).toBeLessThan(1e-20)
  })

  it.each(['products', 'inputs'] as Kept[])('keeps its meaning where only %s are kept of a layer', (kept) => {
    const after = recompute(graph, (layer) => (layer === 0 ? kept : 'all'))
    const again = after.nodes.filter((node) => Object.values(node.outputs)[0]!.endsWith('.again'))
    expect(again.length).toBeGreaterThan(0)
    expect(again.some(({ op }) => op === 'linear' || op === 'matmul')).toBe(kept === 'inputs')
    expect(again.every(({ of }) => of?.startsWith('blk.0.'))).toBe(true)
    expectSame(after)
  })
})
