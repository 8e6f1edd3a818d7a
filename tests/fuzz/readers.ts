import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { parseBumpHeader, writeBump } from '../../src/formats/bump.ts'
import { memorySource } from '../../src/formats/byteSource.ts'
import type { Checkpoint } from '../../src/formats/checkpoint.ts'
import { memoryFolder } from '../../src/formats/folder.ts'
import { readGguf } from '../../src/formats/gguf.ts'
import type { GgufValue } from '../../src/formats/ggufValue.ts'
import { openGguf } from '../../src/formats/openGguf.ts'
import { openTransformers } from '../../src/formats/openTransformers.ts'
import { readSafetensors } from '../../src/formats/safetensors.ts'
import type { TensorData } from '../../src/formats/tensorData.ts'
import { writeGguf } from '../../src/formats/writeGguf.ts'
import { writeSafetensors } from '../../src/formats/writeSafetensors.ts'
import { mutateBytes, mutateJson, type Specimen, specimen } from './mutateBytes.ts'
import type { Random } from './random.ts'

/** One reader over one file. `weight`: how often it is chosen. */
export interface FuzzTarget {
  readonly name: string
  readonly weight: number
  /** Mutates the file and opens it, or refuses. Returns the use of what opened, which must succeed. */
  readonly open: (random: Random) => () => void
}

const shared = join(import.meta.dirname, '../../../shared')
const models = join(import.meta.dirname, '../../models')

/** Whether `readerTargets` finds the real files of `../shared`. */
export function hasSharedFiles(): boolean {
  return existsSync(join(shared, 'data'))
}

/** Readers over files made by our writers, the model of this repository, and real files where `../shared` is there. */
export function readerTargets(): FuzzTarget[] {
  const dir = mkdtempSync(join(tmpdir(), 'ck-fuzz-'))
  try {
    return [
      ...ggufTargets(dir),
      ...safetensorsTargets(dir),
      transformersTarget(dir),
      shardsTarget(dir),
      bumpTarget(dir),
    ]
  } finally {
    rmSync(dir, { recursive: true })
  }
}

const tensors: readonly TensorData[] = [
  { name: 'token_embd.weight', dtype: 'q8_0', shape: [4, 32], data: new Uint8Array(136).fill(1) },
  { name: 'blk.0.attn_norm.weight', dtype: 'f32', shape: [32], data: new Uint8Array(128).fill(2) },
  { name: 'blk.0.attn_q.weight', dtype: 'bf16', shape: [2, 4, 8], data: new Uint8Array(128).fill(3) },
]

const keys: Readonly<Record<string, GgufValue>> = {
  'general.architecture': { type: 'string', value: 'llama' },
  'general.alignment': { type: 'uint32', value: 32 },
  'a.bool': { type: 'bool', value: true },
  'a.int64': { type: 'int64', value: -5 },
  'a.float64': { type: 'float64', value: 0.5 },
  tokens: { type: 'array', of: 'string', value: ['<s>', 'größe', '▁'] },
  scores: { type: 'array', of: 'float32', value: [0, -1, -2] },
  flags: { type: 'array', of: 'bool', value: [true, false] },
  nested: { type: 'array', of: 'array', value: [{ type: 'array', of: 'uint16', value: [1, 2] }] },
}

function ggufTargets(dir: string): FuzzTarget[] {
  const made = join(dir, 'made.gguf')
  writeGguf(made, keys, tensors)
  const vocabularies = join(shared, 'data/vocab')
  const real = existsSync(vocabularies) ? readdirSync(vocabularies).filter((name) => name.endsWith('.gguf')) : []
  return [
    ggufTarget(made, 400),
    ggufTarget(join(models, 'demo.gguf'), 40),
    ggufTarget(join(shared, 'data/stories260K.gguf'), 80),
    ...real.map((name) => ggufTarget(join(vocabularies, name), 1)),
  ].flatMap((target) => target ?? [])
}

function ggufTarget(path: string, weight: number): FuzzTarget | undefined {
  if (!existsSync(path)) return undefined
  const bytes = readFileSync(path)
  const mutate = mutator(specimen(bytes, readGguf(memorySource(path, bytes)).headerBytes))
  return {
    name: path.slice(path.lastIndexOf('/') + 1),
    weight,
    open(random) {
      const mutated = mutate(random)
      return useCheckpoint(openGguf(memoryFolder('fuzz', new Map([['m.gguf', mutated]])), 'm.gguf', 'm.gguf'))
    },
  }
}

function safetensorsTargets(dir: string): FuzzTarget[] {
  const path = join(dir, 'made.safetensors')
  writeSafetensors(path, tensors.slice(1), { format: 'pt' })
  const bytes = readFileSync(path)
  const { headerBytes } = readSafetensors(memorySource(path, bytes))
  const mutate = mutator(specimen(bytes, headerBytes))
  const header = bytes.toString('utf8', 8, headerBytes)
  const data = bytes.subarray(headerBytes)
  return [
    { name: 'safetensors bytes', weight: 200, open: (random) => readAll(mutate(random)) },
    {
      name: 'safetensors header',
      weight: 200,
      open: (random) => readAll(withHeader(mutateJson(header, random), data)),
    },
  ]
}

function readAll(bytes: Buffer): () => void {
  const source = memorySource('m.safetensors', bytes)
  const { tensors } = readSafetensors(source)
  return () => {
    for (const tensor of tensors.values()) source.read(tensor.offset, new Uint8Array(tensor.bytes))
  }
}

function withHeader(json: string, data: Buffer): Buffer {
  const text = Buffer.from(json, 'utf8')
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(text.length))
  return Buffer.concat([prefix, text, data])
}

function transformersTarget(dir: string): FuzzTarget {
  const files = new Map<string, Buffer>()
  const map: Record<string, string> = {}
  for (const [i, tensor] of tensors.slice(1).entries()) {
    const name = `m${i}.safetensors`
    writeSafetensors(join(dir, name), [tensor])
    files.set(name, readFileSync(join(dir, name)))
    map[tensor.name] = name
  }
  const texts: Readonly<Record<string, unknown>> = {
    'config.json': { architectures: ['LlamaForCausalLM'], hidden_size: 32, rope_scaling: null },
    'tokenizer.json': { model: { type: 'BPE', vocab: { a: 0 }, merges: [] } },
    'tokenizer_config.json': { bos_token: '<s>' },
    'model.safetensors.index.json': { metadata: { total_size: 256 }, weight_map: map },
  }
  for (const [name, value] of Object.entries(texts)) files.set(name, Buffer.from(JSON.stringify(value)))
  return {
    name: 'transformers folder',
    weight: 200,
    open(random) {
      const name = random.pick([...files.keys(), 'model.safetensors.index.json'])
      const bytes = files.get(name)!
      const isText = name.endsWith('.json') && random.below(4) > 0
      const mutated = isText
        ? Buffer.from(mutateJson(bytes.toString(), random))
        : mutator(specimen(bytes, Math.min(bytes.length, 300)))(random)
      return useCheckpoint(openTransformers(memoryFolder('fuzz', new Map([...files, [name, mutated]])), 'fuzz'))
    },
  }
}

function shardsTarget(dir: string): FuzzTarget {
  const files = new Map<string, Buffer>()
  for (const [i, tensor] of tensors.entries()) {
    const name = `m-0000${i + 1}-of-00003.gguf`
    const split: Record<string, GgufValue> = {
      'general.architecture': { type: 'string', value: 'llama' },
      'split.no': { type: 'uint16', value: i },
      'split.count': { type: 'uint16', value: 3 },
      'split.tensors.count': { type: 'int32', value: 3 },
    }
    writeGguf(join(dir, name), split, [tensor])
    files.set(name, readFileSync(join(dir, name)))
  }
  const names = [...files.keys()]
  const mutators = new Map(names.map((name) => [name, mutator(specimen(files.get(name)!, 250))]))
  return {
    name: 'GGUF shards',
    weight: 150,
    open(random) {
      const name = random.pick(names)
      const changed = new Map([...files, [name, mutators.get(name)!(random)]])
      return useCheckpoint(openGguf(memoryFolder('fuzz', changed), random.pick(names), 'fuzz'))
    },
  }
}

function bumpTarget(dir: string): FuzzTarget {
  const path = join(dir, 'weights.bump')
  const weights = new Uint8Array(100).fill(5)
  const tokenizer = new Uint8Array(50).fill(6)
  writeBump(path, { weightsId: new Uint8Array(32), weightsBytes: 100, weights: [weights], tokenizer })
  const mutate = mutator(specimen(readFileSync(path), 128))
  return {
    name: 'weights.bump',
    weight: 100,
    open(random) {
      const mutated = mutate(random)
      // With a checksum that fits, the checks behind it are reached.
      if (mutated.length >= 128 && random.below(4) > 0) mutated.writeUInt32LE(crc32(mutated.subarray(16, 128)), 12)
      const source = memorySource('weights.bump', mutated)
      const header = parseBumpHeader(source)
      return () => {
        source.read(header.weightsOffset, new Uint8Array(header.weightsBytes))
        source.read(header.tokenizerOffset, new Uint8Array(header.tokenizerBytes))
      }
    },
  }
}

function mutator(subject: Specimen): (random: Random) => Buffer {
  const scratch = Buffer.alloc(2 * subject.bytes.length + 4096)
  return (random) => mutateBytes(subject, random, scratch)
}

/** What a caller does with a checkpoint that opened: every tensor's ends are read, so that no record points outside. */
function useCheckpoint(checkpoint: Checkpoint): () => void {
  // The tokenizer is parsed when it is asked for; that it is no JSON is found out here.
  if (checkpoint.description.format === 'transformers') JSON.stringify(checkpoint.description)
  return () => {
    for (const tensor of checkpoint.tensors.values()) {
      checkpoint.read(tensor, 0, Math.min(16, tensor.bytes))
      checkpoint.read(tensor, Math.max(0, tensor.bytes - 16))
    }
    checkpoint.close()
  }
}
