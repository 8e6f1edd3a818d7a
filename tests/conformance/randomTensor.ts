import { bytesOf, type Dtype, decodeTensor, dtypes, numberToBfloat16, numberToHalf } from '../../src/base/dtypes.ts'
import type { SampleInput } from '../../src/ir/op.ts'
import { type Tensor, tensor } from '../../src/ir/tensor.ts'
import type { Random } from './random.ts'

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
    if (values === 'normal') writeBlock(dtype, view, at, random)
    else {
      const whole = values === 'iota' ? at / blockBytes : random.whole(values.below)
      // Multipliers are never 0; indices may be.
      if (dtype === 'i32') view.setInt32(at, whole, true)
      else view.setFloat32(at, whole + 1, true)
    }
  }
  return { bytes, tensor: tensor(shape, decodeTensor(dtype, bytes, elements)) }
}

function writeBlock(dtype: Dtype, view: DataView, at: number, random: Random): void {
  switch (dtype) {
    case 'f32':
      view.setFloat32(at, random.normal(), true)
      break
    case 'f16':
      view.setUint16(at, numberToHalf(random.normal()), true)
      break
    case 'bf16':
      view.setUint16(at, numberToBfloat16(Math.fround(random.normal())), true)
      break
    case 'q8_0':
    case 'q4_0':
      view.setUint16(at, numberToHalf(random.normal() / 64), true)
      for (let i = 2; i < dtypes[dtype].blockBytes; i++) view.setUint8(at + i, random.whole(256))
      break
    case 'a8': {
      let sum = 0
      for (let i = 0; i < 32; i++) {
        const code = random.whole(255) - 127
        view.setInt8(at + 8 + i, code)
        sum += code
      }
      view.setFloat32(at, Math.abs(random.normal()) / 64, true)
      view.setInt32(at + 4, sum, true)
      break
    }
    case 'i32':
      view.setInt32(at, random.whole(2 ** 16), true)
      break
    default:
      dtype satisfies never
  }
}
