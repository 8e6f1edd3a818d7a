import { decodeTensor } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { type Tensor, tensor } from '../ir/tensor.ts'
import type { Model } from '../templates/readModel.ts'

/**
 * Gradients with respect to what the checkpoint stores, by its own names and in its shapes, from those with respect to the
 * model's weights: rows of one tensor are joined, and what was transposed or computed on the way is undone.
 */
export function storedGradients(
  checkpoint: Checkpoint,
  model: Model,
  gradients: ReadonlyMap<string, Tensor>,
): Map<string, Tensor> {
  const stored = new Map<string, Tensor>()
  for (const [weight, gradient] of gradients) {
    const source = model.sources.get(weight)
    if (source?.from !== 'tensor')
      return fail('graph_invalid', { where: weight, what: 'is in no tensor of the checkpoint' })
    const { tensor: part, transform } = source
    const whole = checkpoint.tensors.get(part.name)!
    const into = stored.get(part.name) ?? tensor(whole.shape)
    stored.set(part.name, into)
    const from = ((part.offset - whole.offset) / whole.bytes) * into.data.length
    const values = transform?.isTransposed ? transpose(gradient) : gradient.data
    const slope = transform?.slope
    const factors = slope ? decodeTensor(part.dtype, checkpoint.read(part), values.length).map(slope) : undefined
    values.forEach((value, i) => {
      into.data[from + i]! += value * (factors?.[i] ?? 1)
    })
  }
  return stored
}

function transpose({ shape, data }: Tensor): Float64Array {
  const [rows = 0, cols = 0] = shape
  return data.map((_, i) => data[(i % rows) * cols + Math.floor(i / rows)]!)
}
