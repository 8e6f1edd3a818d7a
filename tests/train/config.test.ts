import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configSchemaText } from '../../src/train/config/configSchema.ts'
import { hashConfig } from '../../src/train/config/hashConfig.ts'
import { loadTrainConfig, parseTrainConfig } from '../../src/train/config/loadTrainConfig.ts'
import { makeFreshModel } from '../../src/train/freshModel.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'ck-config-'))
const put = (path: string, text: string) => {
  mkdirSync(dirname(join(dir, path)), { recursive: true })
  writeFileSync(join(dir, path), text)
}

beforeAll(() => {
  put('shared/data/tinyshakespeare.txt', 'First Citizen:\n')
  for (const name of ['a.txt', 'b.txt', 'deep/c.txt', 'ids.bin', 'chats.jsonl', 'tokenizer.json'])
    put(`here/${name}`, name)
})
afterAll(() => rmSync(dir, { recursive: true }))

const file = join(dir, 'here/train.yaml')
const parse = (text: string) => parseTrainConfig(file, text)

const whole = `model: { template: qwen3, dim: 64, contextLen: 64 }
tokenizer: { train: a.txt, vocab: 300 }
data: { files: "*.txt" }
train: { steps: 10, length: 64 }
`

describe('the config of a training', () => {
  it('gives every key its value', () => {
    const config = parse(whole)
    expect(config).toMatchObject({ name: 'train', model: { kind: 'fresh', init: { method: 'normal', seed: 1 } } })
    expect(config.tokenizer).toMatchObject({ kind: 'train', vocabulary: 300, split: 'qwen2' })
    expect(config.stages).toHaveLength(1)
    expect(config.stages[0]).toEqual({
      task: 'train',
      name: 'train',
      data: expect.objectContaining({
        kind: 'files',
        files: ['a.txt', 'b.txt'].map((name) => join(dir, 'here', name)),
      }),
      duration: { steps: 10 },
      batch: 8,
      length: 64,
      accumulate: 1,
      optimizer: { kind: 'adamW', beta1: 0.9, beta2: 0.999, eps: 1e-8 },
      decay: 0.1,
      groups: [{ weights: ['vector'], decay: 0, rate: 1 }],
      schedule: { kind: 'cosine', rate: 1e-3, warmup: 0, final: 0.1, decay: 0, shape: 'linear' },
      clip: 1,
      seed: 1,
      precision: 'f32',
      checkpoint: { every: 500, keep: 3 },
      evaluate: { every: 250, batches: 16 },
      metrics: { tensorboard: false },
    })
  })

  it('is the same in YAML and in JSON, with tabs or without', () => {
    const { name: _name, ...yaml } = parse(whole)
    const json = JSON.stringify(
      {
        model: { template: 'qwen3', dim: 64, contextLen: 64 },
        tokenizer: { train: 'a.txt', vocab: 300 },
        data: { files: '*.txt' },
        train: { steps: 10, length: 64 },
      },
      null,
      '\t',
    )
    const { name: _other, ...read } = parseTrainConfig(join(dir, 'here/x.json'), json)
    expect(read).toEqual(yaml)
  })

  it('may leave out every stage', () => {
    expect(parse('model: { template: gpt2, vocab: 100 }').stages).toEqual([])
    expect(parse('model: { checkpoint: model }\nexport: { gguf: [q8_0] }').export).toEqual({
      ...{ gguf: ['q8_0'], transformers: false, average: true },
    })
    const ids = parse(
      'model: { template: gpt2, vocab: 99 }\ndata: { files: ids.bin }\ntrain: { epochs: 0.5, memory: 1.5GiB }',
    )
    expect(ids.stages[0]).toMatchObject({ duration: { epochs: 0.5 }, memory: 1.5 * 2 ** 30 })
  })

  it('gives stages what all have in common, and their own over it', () => {
    const config = parse(`${whole}stages:
  - { name: one }
  - { name: two, epochs: 1, data: { files: deep/c.txt, validation: 0 }, schedule: { name: constant }, clip: 0 }
`)
    const [one, two] = config.stages
    expect(one).toMatchObject({ name: 'one', duration: { steps: 10 }, schedule: { kind: 'cosine', final: 0.1 } })
    expect(two).toMatchObject({ duration: { epochs: 1 }, length: 64, schedule: { kind: 'constant', rate: 1e-3 } })
    expect(two).not.toHaveProperty('evaluate')
    expect(two).not.toHaveProperty('clip')
  })

  it('lets a stage only evaluate: data of its own as a whole, else the validation share of all data', () => {
    const { stages } = parse(`${whole}stages:
  - { name: held, task: evaluate }
  - { name: other, task: evaluate, data: { files: deep/c.txt }, batch: 2, average: false }
`)
    expect(stages).toEqual([
      { task: 'evaluate', name: 'held', average: true, batch: 8, length: 64, data: expect.anything() },
      { task: 'evaluate', name: 'other', average: false, batch: 2, length: 64, data: expect.anything() },
    ])
    const shares = stages.map(({ data }) => (data.kind === 'files' ? data.options.validation : undefined))
    expect(shares).toEqual([0.05, 0])
    const alone = 'model: { checkpoint: m }\nstages: [{ name: judge, task: evaluate, data: { prepared: d } }]'
    expect(parse(alone).stages[0]).toMatchObject({ batch: 8, length: 256, data: { kind: 'prepared' } })
  })

  const contradictions: readonly [change: string, text: string, sentence: string][] = [
    [
      'an average in a stage that trains',
      `${whole}stages: [{ name: a, average: true }]`,
      "5:21: 'average' says nothing to a stage that trains; accepted: it with task: evaluate",
    ],
    [
      'an unknown key',
      `${whole}  `.replace('length', 'lenght'),
      "4:21: 'train.lenght' is unknown; accepted: 'length'?",
    ],
    [
      'a key that is like no other',
      `${whole}x: 1\n`,
      "5:1: 'x' is unknown; accepted: name, model, tokenizer, data, train, ",
    ],
    [
      'an unknown key of a stage',
      `${whole}stages: [{ name: a, batches: 3 }]`,
      "5:21: 'stages.0.batches' is unknown; accepted: 'batch'?",
    ],
    [
      'a word that is none',
      whole.replace('qwen3', 'quen3'),
      "1:20: 'model.template' is \"quen3\"; accepted: 'qwen3'? (of llama, ",
    ],
    [
      'a batch that is not whole',
      whole.replace('length: 64 }\n', 'batch: 1.5 }\n'),
      'is 1.5; accepted: a whole number from 1 to 65536',
    ],
    [
      'a list in the place of a key',
      whole.replace(/train:.*\n$/, 'train: 3\n'),
      "4:8: 'train' is 3; accepted: keys with values",
    ],
    ['no model', 'name: x\n', "1:1: 'model' is missing; accepted: keys with values"],
    ['no YAML', 'model: {\n', 'accepted: YAML'],
    ['a key that is there twice', `${whole}data: {}\n`, '5:1: Map keys must be unique; accepted: YAML'],
    [
      'steps and epochs',
      whole.replace('length: 64 }\n', 'epochs: 2 }\n'),
      "4:21: both 'steps' and 'epochs' are given; accepted: one of them",
    ],
    ['no end', whole.replace('steps: 10, ', ''), "train has no end; accepted: 'steps' or 'epochs'"],
    [
      'a warm-up that is too long',
      whole.replace('length: 64 }\n', 'schedule: { warmup: 11 } }\n'),
      "4:33: 'warmup' is 11 and 'steps' is 10; accepted: a warm-up of at most 10 steps",
    ],
    [
      'two ends that meet',
      whole.replace('length: 64 }\n', 'schedule: { name: wsd, warmup: 6, decay: 5 } }\n'),
      "'warmup' and 'decay' together have 11 steps and 'steps' is 10",
    ],
    [
      'a setting of another schedule',
      whole.replace('length: 64 }\n', 'schedule: { decay: 5 } }\n'),
      "'decay' says nothing to the schedule 'cosine'; accepted: it with wsd",
    ],
    [
      'a setting of another optimizer',
      whole.replace('length: 64 }\n', 'optimizer: { momentum: 0.9 } }\n'),
      "'momentum' says nothing to the optimizer 'adamw'; accepted: it with sgd, muon",
    ],
    [
      'a look ahead without momentum',
      whole.replace('length: 64 }\n', 'optimizer: { name: sgd, nesterov: true } }\n'),
      "'nesterov' needs a momentum",
    ],
    [
      'template and checkpoint',
      whole.replace('dim: 64', 'checkpoint: x'),
      "1:10: both 'template' and 'checkpoint' are given",
    ],
    [
      'sizes of a checkpoint',
      whole.replace('template: qwen3', 'checkpoint: x'),
      "'dim' contradicts 'checkpoint', which has its own",
    ],
    [
      'heads that do not fit',
      whole.replace('dim: 64', 'dim: 64, heads: 4, kvHeads: 3'),
      "1:46: 'kvHeads' is 3; accepted: a divisor of the 4 heads",
    ],
    [
      'rows longer than the model',
      whole.replace('length: 64', 'length: 65'),
      "rows of stage 'train' have 65 tokens and the model is made for 64",
    ],
    [
      'a vocabulary below that of its tokenizer',
      whole.replace('dim: 64', 'vocab: 299'),
      "'vocab' is 299 and the tokenizer may have 300 tokens",
    ],
    ['two tokenizers', whole.replace('vocab: 300', 'path: tokenizer.json'), "2:14: both 'path' and 'train' are given"],
    ['no vocabulary of a tokenizer', whole.replace(', vocab: 300', ''), "'vocab' is missing beside 'train'"],
    [
      'no vocabulary at all',
      'model: { template: qwen3 }',
      "'vocab' is missing; accepted: 'vocab', or a tokenizer that has one",
    ],
    ['no data', whole.replace(/data:.*\n/, ''), "there is nothing to learn; accepted: 'data', here or for all stages"],
    [
      'texts without a tokenizer',
      whole.replace(/tokenizer:.*\n/, '').replace('dim: 64', 'vocab: 9'),
      'texts cannot become ids without a tokenizer',
    ],
    ['a file that is not there', whole.replace('"*.txt"', '"*.md"'), `'*.md' names no file from ${join(dir, 'here')}`],
    [
      'files of another kind',
      whole.replace('"*.txt"', '[a.txt, chats.jsonl], kind: jsonl'),
      "'a.txt' is no file of kind jsonl",
    ],
    [
      'cleaning of what is prepared',
      whole.replace('files: "*.txt"', 'prepared: d, ascii: true'),
      "'ascii' contradicts 'prepared', which has its own",
    ],
    [
      'a first token that is not special',
      'model: { template: qwen3 }\ntokenizer: { train: a.txt, vocab: 300, bos: <s> }\ndata: { files: a.txt }\ntrain: { steps: 1 }',
      "'bos' is \"<s>\"; accepted: one of 'special': <|endoftext|>",
    ],
    [
      'an evaluation of nothing',
      whole.replace('"*.txt"', 'a.txt, validation: 0').replace('length: 64 }\n', 'evaluate: {} }\n'),
      "'evaluate' has no data, because 'validation' is 0",
    ],
    [
      'an optimizer of an evaluation',
      `${whole}stages: [{ name: a, task: evaluate, optimizer: { decay: 0 } }]`,
      "5:37: 'optimizer' says nothing to a stage that only evaluates; accepted: it in a stage that trains",
    ],
    ['two stages of one name', `${whole}stages: [{ name: a }, { name: A }]`, "two stages are called 'A'"],
    [
      'a format that is none',
      `${whole}export: { gguf: [q8] }`,
      "'export.gguf.0' is \"q8\"; accepted: 'q8_0'? (of f32, ",
    ],
    [
      'a memory that is none',
      whole.replace('length: 64 }\n', 'memory: lots }\n'),
      'is "lots"; accepted: a number of bytes, or text such as "512MiB" or "2GiB"',
    ],
  ]
  it.each(contradictions)('refuses %s in one sentence with its place', (_change, text, sentence) => {
    const message = (() => {
      try {
        parse(text)
        return 'nothing was refused'
      } catch (error) {
        return String((error as Error).message)
      }
    })()
    expect(message).toContain(sentence)
    expect(message).toMatch(/^[^\n]*train\.yaml:\d+:\d+: [^\n]*$/)
  })

  it('is hashed with the files that it names, and alike in every folder', () => {
    const hashIn = (folder: string, text: string) => {
      put(`${folder}/train.yaml`, whole)
      for (const name of ['a.txt', 'b.txt']) put(`${folder}/${name}`, text)
      return hashConfig(loadTrainConfig(join(dir, folder, 'train.yaml')), join(dir, folder))
    }
    const [one, two, other] = [hashIn('one', 'x'), hashIn('two', 'x'), hashIn('three', 'y')]
    expect(two).toEqual(one)
    expect(other!.text).toBe(one!.text)
    expect(other!.sha256).not.toBe(one!.sha256)
    expect(one!.files.map(({ path, bytes }) => [path, bytes])).toEqual([
      ['a.txt', 1],
      ['b.txt', 1],
    ])
    expect(JSON.parse(one!.text)).toMatchObject({ stages: [{ data: { files: ['a.txt', 'b.txt'] } }] })
  })
})

describe('docs/train.schema.json', () => {
  const text = readFileSync(join(root, 'docs/train.schema.json'), 'utf8')

  it('is what `npm run docs` writes', () => {
    expect(text).toBe(configSchemaText())
  })

  it('says what every key is for', () => {
    const silent: string[] = []
    const visit = (schema: Record<string, unknown>, path: string) => {
      const properties = (schema.properties ?? {}) as Record<string, Record<string, unknown>>
      for (const [key, value] of Object.entries(properties)) {
        if (typeof value.description !== 'string') silent.push(path + key)
        visit(value, `${path}${key}.`)
        if (value.items) visit(value.items as Record<string, unknown>, `${path}${key}.`)
      }
    }
    visit(JSON.parse(text) as Record<string, unknown>, '')
    expect(silent).toEqual([])
  })
})

describe('the examples', () => {
  it('shakespeare.yaml is a model of a few million weights', () => {
    put('x/examples/shakespeare.yaml', readFileSync(join(root, 'examples/shakespeare.yaml'), 'utf8'))
    put('shared/data/tinyshakespeare.txt', 'First Citizen:\n')
    const { model, tokenizer, stages } = loadTrainConfig(join(dir, 'x/examples/shakespeare.yaml'))
    if (model.kind !== 'fresh' || tokenizer?.kind !== 'train') throw new Error('not a fresh model')
    const made = makeFreshModel(model.template, { ...model.shape, vocab: tokenizer.vocabulary })
    expect(made.parameters).toBeGreaterThan(0.5e6)
    expect(made.parameters).toBeLessThan(5e6)
    expect(stages).toHaveLength(1)
  })

  it('stages.yaml goes on from stage to stage', () => {
    put('y/stages.yaml', readFileSync(join(root, 'examples/stages.yaml'), 'utf8'))
    for (const name of ['texts/a/b.txt', 'plays/first.txt', 'plays/second.txt', 'chats.jsonl', 'chat.jinja'])
      put(`y/${name}`, 'x')
    const all = loadTrainConfig(join(dir, 'y/stages.yaml')).stages
    const stages = all.filter((stage) => stage.task === 'train')
    expect(all.at(-1)).toMatchObject({ task: 'evaluate', name: 'judge', batch: 8, length: 512 })
    expect(stages.map(({ name, schedule }) => [name, schedule.kind])).toEqual([
      ['pretrain', 'wsd'],
      ['continue', 'wsd'],
      ['answers', 'linear'],
    ])
    expect(stages.map(({ schedule }) => schedule.rate)).toEqual([1e-3, 3e-4, 1e-4])
    expect(stages[2]!.decay).toBe(0)
  })

  it.each(['shakespeare.yaml', 'stages.yaml'])('%s names its schema for editors', (name) => {
    const [first] = readFileSync(join(root, 'examples', name), 'utf8').split('\n')
    expect(first).toBe('# yaml-language-server: $schema=../docs/train.schema.json')
  })
})
