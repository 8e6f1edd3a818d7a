import { bytesOf, decodeTensor, dtypes } from '../../src/base/dtypes.ts'
import type { SampleInput } from '../../src/ir/op.ts'
import { type Tensor, tensor } from '../../src/ir/tensor.ts'
import type { Random } from './random.ts'
import { writeRandomBlock } from './randomBlock.ts'

/** Random values of a type as dense checkpoint bytes, and the exact numbers that they stand for. */
export interface RandomTensor {
  readonly bytes: Uint8Array
  readonly tensor: Tensor
}

export function randomTensor({ dtype, shape, values = 'normal' }: SampleInput, random: Random): RandomTensor {
  const elements = shape.reduce((product, dim) => product * dim, 1)
  const bytes = new Uint8Array(bytesOf(dtype, elements)!)
  const view = new DataView(bytes.buffer)
  const { blockBytes } = dtypes[dtype]
  for (let at = 0; at < bytes.length; at += blockBytes) {
    if (values === 'normal') writeRandomBlock(dtype, view, at, random)
    else {
      const whole =
        values === 'iota' ? at / blockBytes : 'below' in values ? random.whole(values.below) : values[at / blockBytes]!
      // Multipliers are never 0; indices may be.
      if (dtype === 'i32') view.setInt32(at, whole, true)
      else view.setFloat32(at, whole + 1, true)
    }
  }
  return { bytes, tensor: tensor(shape, decodeTensor(dtype, bytes, elements)) }
}
