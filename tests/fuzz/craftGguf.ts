import { encodeKey, encodeText, encodeU32, encodeU64, type GgufValue } from '../../src/formats/ggufValue.ts'

/** A tensor record as it stands in the file: dims innermost first, a raw type number, an offset into the data section. */
export interface CraftedTensor {
  readonly name: string | Uint8Array
  readonly dims: readonly (number | bigint)[]
  readonly type: number
  readonly offset: number | bigint
}

/** What a crafted GGUF file shall say, right or wrong. */
export interface CraftedGguf {
  readonly magic?: string
  readonly version?: Uint8Array
  readonly tensorCount?: number | bigint
  readonly keyCount?: number | bigint
  /** Pairs, so that a key may occur twice; bytes stand for a whole key with type and value. */
  readonly keys?: readonly (readonly [string, GgufValue] | Uint8Array)[]
  readonly tensors?: readonly CraftedTensor[]
  readonly dataBytes?: number
}

/** The bytes of a GGUF file that says what it is told: unlike `writeGguf` it checks nothing. Data is aligned to 32. */
export function craftGguf(crafted: CraftedGguf): Buffer {
  const keys = crafted.keys ?? []
  const tensors = crafted.tensors ?? []
  const header = Buffer.concat([
    Buffer.from(crafted.magic ?? 'GGUF'),
    crafted.version ?? encodeU32(3),
    encodeU64(crafted.tensorCount ?? tensors.length),
    encodeU64(crafted.keyCount ?? keys.length),
    ...keys.map((key) => (key instanceof Uint8Array ? key : encodeKey('crafted', key[0], key[1]))),
    ...tensors.map(encodeTensor),
  ])
  const padding = Buffer.alloc(Math.ceil(header.length / 32) * 32 - header.length)
  return Buffer.concat([header, padding, Buffer.alloc(crafted.dataBytes ?? 0, 7)])
}

/** A key with the bytes of its type and value as given. */
export function craftKey(name: string | Uint8Array, type: number, ...value: Uint8Array[]): Buffer {
  return Buffer.concat([encodeName(name), encodeU32(type), ...value])
}

function encodeTensor({ name, dims, type, offset }: CraftedTensor): Buffer {
  const sizes = dims.map((dim) => encodeU64(dim))
  return Buffer.concat([encodeName(name), encodeU32(dims.length), ...sizes, encodeU32(type), encodeU64(offset)])
}

function encodeName(name: string | Uint8Array): Buffer {
  return typeof name === 'string' ? encodeText(name) : Buffer.concat([encodeU64(name.length), name])
}
