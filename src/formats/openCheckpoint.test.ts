import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { craftGguf } from '../../tests/fuzz/craftGguf.ts'
import type { GgufValue } from './ggufValue.ts'
import { openCheckpoint } from './openCheckpoint.ts'
import type { TensorData } from './tensorData.ts'
import { writeGguf } from './writeGguf.ts'
import { writeSafetensors } from './writeSafetensors.ts'

const dir = mkdtempSync(join(tmpdir(), 'ck-open-'))
afterAll(() => rmSync(dir, { recursive: true }))

const tensor = (name: string, fill: number, elements = 4): TensorData => {
  const data = new Uint8Array(4 * elements).fill(fill)
  return { name, dtype: 'f32', shape: [elements], data }
}
const llama: GgufValue = { type: 'string', value: 'llama' }
const uint16 = (value: number): GgufValue => ({ type: 'uint16', value })
const int32 = (value: number): GgufValue => ({ type: 'int32', value })

/** Opens, hands over, closes. */
function opened<T>(path: string, use: (checkpoint: ReturnType<typeof openCheckpoint>) => T): T {
  const checkpoint = openCheckpoint(path)
  try {
    return use(checkpoint)
  } finally {
    checkpoint.close()
  }
}

let folders = 0
function newFolder(files: Readonly<Record<string, unknown>>): string {
  const folder = join(dir, `folder${folders++}`)
  mkdirSync(folder)
  for (const [name, value] of Object.entries(files)) {
    writeFileSync(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value))
  }
  return folder
}

describe('openCheckpoint', () => {
  it('refuses what is no model, and says what it found', () => {
    const text = join(dir, 'notes.txt')
    writeFileSync(text, 'Hello')
    const empty = join(dir, 'empty')
    writeFileSync(empty, '')
    expect(() => openCheckpoint(text)).toThrow(`${text}: begins with the bytes 48 65 6c 6c; a GGUF file`)
    expect(() => openCheckpoint(empty)).toThrow(/begins with nothing \(the file is empty\)/)
    expect(() => openCheckpoint(newFolder({}))).toThrow(/begins with a folder without config\.json/)
    expect(() => openCheckpoint(join(dir, 'absent'))).toThrow(/cannot be opened \(ENOENT\)/)
    expect(() => openCheckpoint(join(text, 'x'))).toThrow(/cannot be opened \(ENOTDIR\)/)
    expect(() => openCheckpoint('a\0b')).toThrow(/"a\\u0000b": cannot be opened \(a zero byte in the name\)/)
    expect(() => openCheckpoint('/dev/null')).toThrow(/cannot be opened \(not a regular file\)/)
  })

  it('reads parts of a tensor into a given array, and refuses parts outside', () => {
    const path = join(dir, 'parts.gguf')
    const data = Uint8Array.from({ length: 16 }, (_, i) => i)
    writeGguf(path, { 'general.architecture': llama }, [{ ...tensor('a', 0), data }])
    opened(path, (checkpoint) => {
      const record = checkpoint.tensors.get('a')!
      const into = new Uint8Array(6)
      expect(checkpoint.read(record, 3, 4, into)).toEqual(Uint8Array.of(3, 4, 5, 6))
      expect(into).toEqual(Uint8Array.of(3, 4, 5, 6, 0, 0))
      expect(checkpoint.read(record, 14)).toEqual(Uint8Array.of(14, 15))
      expect(() => checkpoint.read(record, 14, 3)).toThrow(
        /3 bytes from byte 14; accepted: a range within its 16 bytes/,
      )
      expect(() => checkpoint.read(record, -1, 3)).toThrow(/accepted: a range/)
      expect(() => checkpoint.read(record, 0, 7, into)).toThrow(/into 6 bytes/)
      expect(() => checkpoint.read({ ...record, file: 'other' })).toThrow(/is of another checkpoint/)
      truncateSync(path, record.offset + 8)
      expect(() => checkpoint.read(record)).toThrow(/the file ends here/)
      checkpoint.close()
      expect(() => checkpoint.read(record)).toThrow(/was closed/)
    })
  })

  it('refuses a GGUF file without an architecture', () => {
    const path = join(dir, 'nothing.gguf')
    writeGguf(path, {}, [])
    expect(() => openCheckpoint(path)).toThrow(/'general\.architecture' is missing; accepted: a string/)
    writeGguf(path, { 'general.architecture': uint16(1) }, [])
    expect(() => openCheckpoint(path)).toThrow(/'general\.architecture' is not a string/)
  })

  it('looks into a file of 20 GB with a large vocabulary in under a second and 200 MB', () => {
    const path = join(dir, 'large.gguf')
    const value = Array.from({ length: 151_936 }, (_, i) => `token ${i}`)
    const merges = Array.from({ length: 151_387 }, (_, i) => `left${i} right${i}`)
    const gigabytes4 = [1024, 1024, 1024]
    const header = craftGguf({
      keys: [
        ['general.architecture', llama],
        ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value }],
        ['tokenizer.ggml.merges', { type: 'array', of: 'string', value: merges }],
        ['tokenizer.ggml.token_type', { type: 'array', of: 'int32', value: new Int32Array(151_936) }],
      ],
      tensors: Array.from({ length: 5 }, (_, i) => ({ name: `t${i}`, dims: gigabytes4, type: 0, offset: i * 2 ** 32 })),
    })
    writeFileSync(path, header)
    // The rest is a hole: no disk is filled.
    truncateSync(path, header.length + 5 * 2 ** 32)
    const memory = process.memoryUsage.rss()
    const begin = performance.now()
    const last = opened(path, (checkpoint) => {
      expect(checkpoint.fingerprint()).toMatch(/^[0-9a-f]{64}$/)
      return checkpoint.read(checkpoint.tensors.get('t4')!, 2 ** 32 - 4)
    })
    expect(performance.now() - begin).toBeLessThan(1000)
    expect(process.memoryUsage.rss() - memory).toBeLessThan(150 * 2 ** 20)
    expect(last).toEqual(new Uint8Array(4))
  })
})

describe('openCheckpoint on GGUF shards', () => {
  const shard = (folder: string, i: number, count: number) => join(folder, `m-0000${i}-of-0000${count}.gguf`)

  function writeShards(change: (i: number) => Record<string, GgufValue> = () => ({})): string {
    const folder = newFolder({})
    for (let i = 0; i < 3; i++) {
      const first = i === 0 ? { 'general.architecture': llama, 'split.tensors.count': int32(3) } : {}
      const split = { 'split.no': uint16(i), 'split.count': uint16(3) }
      writeGguf(shard(folder, i + 1, 3), { ...first, ...split, ...change(i) }, [tensor(`t${i}`, i)])
    }
    return folder
  }

  it('opens the whole set by any of its files', () => {
    const folder = writeShards()
    const prints = [1, 2, 3].map((i) =>
      opened(shard(folder, i, 3), (checkpoint) => {
        expect(checkpoint.name).toBe('m')
        expect([...checkpoint.tensors.keys()]).toEqual(['t0', 't1', 't2'])
        for (const [k, record] of [...checkpoint.tensors.values()].entries()) {
          expect(record.file).toBe(shard(folder, k + 1, 3))
          expect(checkpoint.read(record)).toEqual(new Uint8Array(16).fill(k))
        }
        return checkpoint.fingerprint()
      }),
    )
    expect(new Set(prints).size).toBe(1)
  })

  it('names the shard that is missing', () => {
    const folder = writeShards()
    rmSync(shard(folder, 2, 3))
    expect(() => openCheckpoint(shard(folder, 1, 3))).toThrow(`${shard(folder, 2, 3)}: cannot be opened (ENOENT)`)
  })

  it.each([
    [
      'another count',
      (i: number) => ({ 'split.count': uint16(3 + i) }),
      /00002-of-00003.gguf: 'split.count' is 4; acc.* 3/,
    ],
    ['another number', () => ({ 'split.no': uint16(0) }), /00002-of-00003.gguf: 'split.no' is 0; accepted: 1, as the/],
    [
      'a wrong sum',
      (i: number) => (i ? {} : { 'split.tensors.count': int32(4) }),
      /'split.tensors.count' is 4; accepted: 3/,
    ],
    [
      'keys of its own',
      (i: number) => (i ? { more: int32(i) } : {}),
      /00002-of-00003.gguf: 'more' is 1; accepted: keys and/,
    ],
  ])('refuses a shard with %s', (_, change, message) => {
    expect(() => openCheckpoint(shard(writeShards(change), 1, 3))).toThrow(message)
  })

  it('refuses a tensor that two shards have', () => {
    const folder = writeShards()
    writeGguf(shard(folder, 3, 3), { 'split.no': uint16(2), 'split.count': uint16(3) }, [tensor('t0', 9)])
    expect(() => openCheckpoint(shard(folder, 1, 3))).toThrow(/00003-of-00003.gguf at byte \d+: tensor 't0' is also in/)
  })

  it('refuses a shard under another name, and a plain file under the name of a shard', () => {
    const folder = writeShards()
    copyFileSync(shard(folder, 1, 3), join(folder, 'x.gguf'))
    expect(() => openCheckpoint(join(folder, 'x.gguf'))).toThrow(/'split.count' is 3; accepted: nothing or 1/)
    writeGguf(shard(folder, 1, 2), { 'general.architecture': llama }, [])
    expect(() => openCheckpoint(shard(folder, 1, 2))).toThrow(/'split.count' is missing; accepted: 2/)
  })

  it('takes a set of one', () => {
    const path = shard(newFolder({}), 1, 1)
    writeGguf(path, { 'general.architecture': llama }, [tensor('a', 1)])
    expect(opened(path, ({ tensors }) => tensors.size)).toBe(1)
  })
})

describe('openCheckpoint on a transformers folder', () => {
  const config = { architectures: ['LlamaForCausalLM'], hidden_size: 4 }

  it('opens config, tokenizer and one safetensors file', () => {
    const folder = newFolder({
      'config.json': config,
      'tokenizer.json': { model: { type: 'BPE' } },
      'tokenizer_config.json': { bos_token: '<s>' },
      'generation_config.json': { eos_token_id: 2 },
    })
    writeSafetensors(join(folder, 'model.safetensors'), [tensor('a', 1)])
    for (const path of [folder, `${folder}/`, join(folder, 'model.safetensors')]) {
      opened(path, ({ description, architecture, name, tensors }) => {
        expect(description).toEqual({
          format: 'transformers',
          config,
          tokenizer: { model: { type: 'BPE' } },
          tokenizerConfig: { bos_token: '<s>' },
          generationConfig: { eos_token_id: 2 },
        })
        expect([architecture, name, tensors.size]).toEqual(['LlamaForCausalLM', folder.split('/').at(-1), 1])
      })
    }
  })

  it('has no tokenizer where there is none', () => {
    const folder = newFolder({ 'config.json': config })
    writeSafetensors(join(folder, 'model.safetensors'), [tensor('a', 1)])
    expect(opened(folder, ({ description }) => description)).toEqual({ format: 'transformers', config })
  })

  it('opens the file that is named, where it is no shard of the index', () => {
    const folder = newFolder({ 'config.json': config })
    writeSafetensors(join(folder, 'other.safetensors'), [tensor('b', 1)])
    expect(opened(join(folder, 'other.safetensors'), ({ tensors }) => [...tensors.keys()])).toEqual(['b'])
  })

  function sharded(map: Record<string, unknown>): string {
    const folder = newFolder({
      'config.json': config,
      'model.safetensors.index.json': { metadata: {}, weight_map: map },
    })
    writeSafetensors(join(folder, 'm1.safetensors'), [tensor('a', 1), tensor('b', 2)])
    writeSafetensors(join(folder, 'm2.safetensors'), [tensor('c', 3)])
    return folder
  }
  const map = { a: 'm1.safetensors', b: 'm1.safetensors', c: 'm2.safetensors' }

  it('opens the shards of an index, also by one of them', () => {
    const folder = sharded(map)
    for (const path of [folder, join(folder, 'm2.safetensors')]) {
      opened(path, (checkpoint) => {
        expect([...checkpoint.tensors.keys()].sort()).toEqual(['a', 'b', 'c'])
        expect(checkpoint.read(checkpoint.tensors.get('c')!)).toEqual(new Uint8Array(16).fill(3))
      })
    }
  })

  it.each([
    ['a shard that is missing', { ...map, d: 'm3.safetensors' }, /m3\.safetensors: cannot be opened \(ENOENT\)/],
    [
      'a tensor that its shard lacks',
      { ...map, d: 'm2.safetensors' },
      /weight_map\.d' is "m2\.safetensors"; accepted: a file/,
    ],
    [
      'a tensor of a shard that it lacks',
      { a: map.a, c: map.c },
      /'weight_map\.b' is missing; accepted: "m1\.safetensors"/,
    ],
    [
      'a path that leads out',
      { ...map, a: '../m1.safetensors' },
      /weight_map\.a' is "\.\.\/m1\.safetensors"; accepted: the name/,
    ],
    [
      'a line feed in a name',
      { ...map, a: 'm\n.safetensors' },
      /the file of tensor 'a' has a name of 14 bytes, 'm\\u\{a\}\./,
    ],
    ['a number for a name', { ...map, a: 3 }, /weight_map\.a' is 3; accepted: the name/],
  ])('refuses an index with %s', (_, broken, message) => {
    expect(() => openCheckpoint(sharded(broken))).toThrow(message)
  })

  it.each([
    ['no config.json beside a safetensors file', {}, /config\.json: cannot be opened/],
    ['config.json that is no JSON', { 'config.json': '{' }, /config\.json: the file is not JSON/],
    [
      'config.json that is a list',
      { 'config.json': [] },
      /config\.json: the file is an array of 0 items; accepted: a JSON/,
    ],
    ['no architectures', { 'config.json': {} }, /config\.json: 'architectures' is missing; accepted: an array/],
    [
      'a broken tokenizer_config.json',
      { 'config.json': config, 'tokenizer_config.json': 'x' },
      /tokenizer_config\.json: the/,
    ],
  ])('refuses %s', (_, files, message) => {
    const folder = newFolder(files)
    writeSafetensors(join(folder, 'model.safetensors'), [tensor('a', 1)])
    expect(() => openCheckpoint(join(folder, 'model.safetensors'))).toThrow(message)
  })

  it('refuses a folder without weights, and a broken tokenizer.json when it is asked for', () => {
    expect(() => openCheckpoint(newFolder({ 'config.json': config }))).toThrow(/model\.safetensors: cannot be opened/)
    const folder = newFolder({ 'config.json': config, 'tokenizer.json': '[1,' })
    writeSafetensors(join(folder, 'model.safetensors'), [tensor('a', 1)])
    opened(folder, ({ description }) => {
      expect(() => 'tokenizer' in description && description.tokenizer).toThrow(/tokenizer\.json: the file is not JSON/)
    })
  })
})

describe('fingerprint', () => {
  it('changes with a byte of a tensor, a key and a configuration, and not with the place', () => {
    const path = join(dir, 'print.gguf')
    const print = (fill: number, value: string, at = path) => {
      writeGguf(at, { 'general.architecture': llama, note: { type: 'string', value } }, [tensor('a', fill)])
      return opened(at, (checkpoint) => checkpoint.fingerprint())
    }
    const first = print(1, 'x')
    expect(print(1, 'x', join(dir, 'elsewhere.gguf'))).toBe(first)
    expect(new Set([first, print(2, 'x'), print(1, 'y')]).size).toBe(3)
    const folders = ['Llama', 'Qwen3'].map((name) => {
      const folder = newFolder({ 'config.json': { architectures: [name] } })
      writeSafetensors(join(folder, 'model.safetensors'), [tensor('a', 1)])
      return opened(folder, (checkpoint) => checkpoint.fingerprint())
    })
    expect(folders[0]).not.toBe(folders[1])
  })
})

const shared = join(import.meta.dirname, '../../../shared')

describe.skipIf(!existsSync(join(shared, 'data')))('openCheckpoint on real files (needs ../shared/data)', () => {
  it.each([
    ['bert-bge', 'bert', 30_522],
    ['deepseek-coder', 'llama', 32_256],
    ['gpt-2', 'gpt2', 50_257],
    ['llama-spm', 'llama', 32_000],
    ['phi-3', 'phi3', 32_064],
    ['starcoder', 'starcoder2', 49_152],
  ])('opens the vocabulary %s, which has no tensors', (file, architecture, tokens) => {
    opened(join(shared, `data/vocab/ggml-vocab-${file}.gguf`), (checkpoint) => {
      expect([checkpoint.architecture, checkpoint.tensors.size]).toEqual([architecture, 0])
      const metadata = checkpoint.description.format === 'gguf' ? checkpoint.description.metadata : new Map()
      expect(metadata.get('tokenizer.ggml.tokens')).toHaveLength(tokens)
      expect(metadata.get('tokenizer.ggml.token_type')).toHaveLength(tokens)
    })
  })

  it('opens stories260K and finds every tensor', () => {
    opened(join(shared, 'data/stories260K.gguf'), (checkpoint) => {
      expect([checkpoint.architecture, checkpoint.tensors.size]).toEqual(['llama', 48])
      expect(checkpoint.tensors.get('blk.4.ffn_down.weight')).toMatchObject({ dtype: 'f32', shape: [64, 172] })
      expect(checkpoint.tensors.get('token_embd.weight')).toMatchObject({ dtype: 'f32', shape: [512, 64] })
    })
  })

  it('identifies a file of 4 MB in under 100 ms', () => {
    opened(join(shared, 'models/demo.gguf'), (checkpoint) => {
      const begin = performance.now()
      checkpoint.fingerprint()
      expect(performance.now() - begin).toBeLessThan(100)
    })
  })

  it('reads the demo model alike from GGUF and from safetensors', () => {
    opened(join(shared, 'models/demo.gguf'), (gguf) =>
      opened(join(shared, 'models/demo-transformers'), (folder) => {
        expect([gguf.architecture, folder.architecture]).toEqual(['qwen3', 'Qwen3ForCausalLM'])
        expect(gguf.tensors.size).toBe(folder.tensors.size)
        expect(gguf.tensors.get('blk.0.attn_q.weight')?.dtype).toBe('q8_0')
        const norms = [
          gguf.tensors.get('blk.3.ffn_norm.weight')!,
          folder.tensors.get('model.layers.3.post_attention_layernorm.weight')!,
        ] as const
        expect(gguf.read(norms[0])).toEqual(folder.read(norms[1]))
      }),
    )
  })
})
