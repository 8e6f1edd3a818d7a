import { type Dtype, dtypes, numberToBfloat16, numberToHalf } from '../../src/base/dtypes.ts'
import type { Random } from './random.ts'

/**
 * Writes a random element or block of a dtype at byte `at`: codes of every value, scales of about 1/64, of blocks with
 * small scales 1/1024. `extreme`: codes and small scales are the outermost ones, in half of the blocks all of them the
 * same, so that sums of products come as far as they can.
 */
export function writeRandomBlock(dtype: Dtype, view: DataView, at: number, random: Random, extreme = false): void {
  const { blockBytes, blockElements, scales } = dtypes[dtype]
  const outermost = (choices: readonly number[]) => {
    const only = random.whole(2) === 0 ? choices[random.whole(choices.length)]! : undefined
    return () => only ?? choices[random.whole(choices.length)]!
  }
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
    case 'i32':
      view.setInt32(at, random.whole(2 ** 16), true)
      break
    case 'a8': {
      const sums = [0, 0]
      const nextCode = extreme ? outermost([-127, 127]) : () => random.whole(255) - 127
      for (let i = 0; i < 32; i++) {
        const code = nextCode()
        view.setInt8(at + 16 + i, code)
        sums[i >> 4]! += code
      }
      const scale = Math.fround(Math.abs(random.normal()) / 64)
      view.setFloat32(at, scale, true)
      view.setFloat32(at + 4, scale * (sums[0]! + sums[1]!), true)
      view.setInt32(at + 8, -128 * (sums[0]! + sums[1]!), true)
      view.setInt32(at + 12, -128 * sums[0]!, true)
      break
    }
    default: {
      const nextByte = extreme ? outermost([0x00, 0x7f, 0x80, 0xff]) : () => random.whole(256)
      for (let i = 0; i < blockBytes; i++) view.setUint8(at + i, nextByte())
      for (const scale of scales) {
        if (scale.type === 'e8m0') view.setUint8(at + scale.at, 118 + random.whole(6))
        else view.setUint16(at + scale.at, numberToHalf(random.normal() / (blockElements > 32 ? 1024 : 64)), true)
      }
    }
  }
}
