import { z } from 'zod'
import { precisions } from '../../base/precisions.ts'
import { recipeNames } from '../../quantize/recipes.ts'
import { initMethodNames } from '../init/initMethods.ts'
import { modelFamilies } from '../init/modelFamilies.ts'
import { configDefaults } from './configDefaults.ts'
import { anyText, bytes, files, flag, list, real, record, text, whole, word } from './leaves.ts'

/** The record of everything that a config may say: the loader checks by it, the JSON Schema and the documents are made of it. */

const { init, tokenizer, data, train, optimizer, optimizers, schedule, schedules } = configDefaults

/** A key that may be left out, and what it means then. */
function usual<T extends z.ZodType>(value: T, meaning: unknown) {
  return value.meta({ ...value.meta(), default: meaning }).optional()
}

const names = initMethodNames as unknown as readonly [string, ...string[]]
const recipes = recipeNames as unknown as readonly [string, ...string[]]

export const initSchema = record(
  {
    method: usual(word(names, 'how matrices are drawn'), init.method),
    deviation: real("deviation of the normal methods (default: the family's, mostly 0.02)", { above: 0 }).optional(),
    seed: usual(whole(0, 'same seed, same weights'), init.seed),
  },
  'how the weights of a fresh model begin',
)

export const modelSchema = record(
  {
    checkpoint: text('a GGUF file or a transformers folder to go on from, in place of a fresh model').optional(),
    template: word(modelFamilies, 'the family of a fresh model').optional(),
    vocab: whole(1, "tokens of the vocabulary (default: the tokenizer's)").optional(),
    dim: whole(1, 'width of the model (default: hidden, else 256)').optional(),
    layers: whole(1, 'layers (default 4)').optional(),
    hidden: whole(1, "width of the feed-forward (default: the family's multiple of dim)").optional(),
    heads: whole(1, 'heads of attention (default: as many as are about 64 wide)').optional(),
    kvHeads: whole(1, 'heads of keys and values (default: half of the heads where they are even, else all)').optional(),
    headDim: whole(1, 'width of a head (default: dim / heads)').optional(),
    contextLen: whole(1, 'tokens that the model is made for (default 512)').optional(),
    tied: flag("the head shares the embedding's weights (default: as the family)").optional(),
    theta: real("base of the rotation (default: the family's)", { above: 0 }).optional(),
    eps: real("added to squares before their root in norms (default: the family's)", { above: 0 }).optional(),
    window: whole(0, "tokens that layers with a window read back (default: the family's)").optional(),
    init: initSchema.optional(),
  },
  'the model: a fresh one of a family, or a checkpoint',
)

export const tokenizerSchema = record(
  {
    path: text('a tokenizer.json, or a model that has a tokenizer').optional(),
    train: files('texts to train a byte-level BPE tokenizer on').optional(),
    vocab: whole(257, 'tokens of a trained tokenizer, the 256 bytes and the special ones among them').optional(),
    split: usual(text('how text is cut into words: a name as of ck tokenizer train, or a pattern'), tokenizer.split),
    special: usual(
      z.array(text('a special token'), { error: 'a list of texts' }).describe('special tokens, the first ids'),
      tokenizer.special,
    ),
    bos: text('the special token that is set before every text (default: none)').optional(),
    minFrequency: usual(whole(0, 'pairs that stand there less often do not join'), tokenizer.minFrequency),
  },
  'the tokenizer: one that is there, or one to train; default: that of the checkpoint',
)

export const dataSchema = record(
  {
    files: files('texts, JSON lines or ids, as ck data prepare takes them').optional(),
    prepared: text('a folder that ck data prepare wrote, in place of files').optional(),
    kind: word(['text', 'jsonl', 'tokens'], 'what all files must be (default: by their names)').optional(),
    template: text("a file with a chat template, in place of the tokenizer's own").optional(),
    separator: text('in plain text what stands between documents (default: a file is one document)').optional(),
    validation: usual(real('share of the whole that is for validation', { least: 0, most: 0.9 }), data.validation),
    split: usual(word(['end', 'documents'], 'validate on the last bytes, or on documents drawn by seed'), data.split),
    seed: usual(whole(0, 'of the split into documents'), Number(data.seed)),
    invalid: usual(word(['refuse', 'repair'], 'what is no UTF-8'), data.invalid),
    controls: usual(word(['remove', 'keep'], 'control characters'), data.controls),
    ascii: usual(flag('write all text in ASCII'), data.ascii),
    longest: usual(whole(1, 'bytes; longer documents are left out', 2 ** 28), data.longest),
    addSpecial: usual(flag('put the special tokens around texts that the model asks for'), data.addSpecial),
    endToken: usual(flag('put the token that ends texts behind each document of plain text'), data.endToken),
  },
  'what is learnt; of conversations only the answers',
)

const twoShares = 'two numbers from 0 to below 1'
const share = z.number(twoShares).min(0, twoShares).lt(1, twoShares)

const betas = z
  .tuple([share, share], { error: twoShares })
  .describe('shares of the last averages: of gradients and of their squares')

export const optimizerSchema = record(
  {
    name: usual(word(['adamw', 'sgd', 'lion', 'muon'], 'the optimizer'), optimizer.name),
    betas: betas
      .meta({
        description: `adamw, lion and muon: shares of the last averages (default ${JSON.stringify(optimizers.adamw.betas)}; lion ${JSON.stringify(optimizers.lion.betas)})`,
      })
      .optional(),
    eps: real(`adamw and muon: added to the root (default ${optimizers.adamw.eps}; muon ${optimizers.muon.eps})`, {
      above: 0,
    }).optional(),
    momentum: real(
      `sgd and muon: share of the last average (default ${optimizers.sgd.momentum}; muon ${optimizers.muon.momentum})`,
      { least: 0, most: 1 },
    ).optional(),
    nesterov: flag(
      `sgd and muon: look ahead (default ${optimizers.sgd.nesterov}; muon ${optimizers.muon.nesterov})`,
    ).optional(),
    othersRate: real(
      `muon: rate of what AdamW updates, as a part of the rate (default ${optimizers.muon.othersRate})`,
      { above: 0 },
    ).optional(),
    scale: word(['shape', 'adamW'], `muon: how long its steps are (default ${optimizers.muon.scale})`).optional(),
    decay: usual(real('decoupled weight decay'), optimizer.decay),
    groups: usual(
      z
        .array(
          record(
            {
              weights: list(
                text('a role or a pattern'),
                'a list of embedding, head, matrix, vector, other, or patterns such as blk.*.attn_q.weight',
                'roles of weights (embedding, head, matrix, vector, other), or patterns of their names',
              ),
              decay: real('weight decay of these').optional(),
              rate: real('factor of their learning rate').optional(),
            },
            'weights that are updated otherwise; of several that match the last counts',
          ),
          { error: 'a list of groups' },
        )
        .describe('weights that are updated otherwise'),
      optimizer.groups,
    ),
  },
  'how weights are updated',
)

export const scheduleSchema = record(
  {
    name: usual(word(['constant', 'linear', 'cosine', 'wsd'], 'how the learning rate goes'), schedule.name),
    rate: usual(real('the peak of the learning rate', { above: 0 }), schedule.rate),
    warmup: usual(whole(0, 'steps that lead up to the peak'), schedule.warmup),
    final: real(
      `linear, cosine and wsd: the last rate as a part of the peak (default ${schedules.linear.final}; cosine ${schedules.cosine.final})`,
      { least: 0, most: 1 },
    ).optional(),
    decay: real(`wsd: the steps that lead down, or below 1 their share of all (default ${schedules.wsd.decay})`, {
      above: 0,
    }).optional(),
    shape: word(['linear', 'cosine', 'root'], `wsd: how they lead down (default ${schedules.wsd.shape})`).optional(),
  },
  'the learning rate over the steps',
)

const { checkpoint, evaluate, sample, spikes, metrics } = configDefaults
const every = 'steps between two; 0: never'

/** Everything of a stage of training; `train` has the same keys for all stages. */
const trainKeys = {
  steps: whole(1, 'updates of the weights; either these or epochs').optional(),
  epochs: real('passes over the data', { above: 0 }).optional(),
  batch: usual(whole(1, 'rows of a micro-batch', 65536), train.batch),
  length: usual(whole(2, 'tokens of a row', 2 ** 20), train.length),
  accumulate: usual(whole(1, 'micro-batches of a step', 65536), train.accumulate),
  optimizer: optimizerSchema.optional(),
  schedule: scheduleSchema.optional(),
  clip: usual(real('the largest norm of all gradients together; 0: they are not clipped'), train.clip),
  ema: real('share of the last average in a moving average of the weights (default: none is kept)', {
    above: 0,
    most: 0.999999,
  }).optional(),
  seed: usual(whole(0, 'of the order of the data and of all else that is drawn'), train.seed),
  precision: usual(
    word(precisions, 'what is kept for the backward half and what products read of weights is stored in'),
    train.precision,
  ),
  memory: bytes(
    'most memory that training may take; what does not fit is computed again (default: as much as is needed)',
  ).optional(),
  threads: whole(1, 'threads (default: the cores); changes no number', 64).optional(),
  checkpoint: record(
    {
      every: usual(whole(0, `${every} but the last`), checkpoint.every),
      keep: usual(whole(1, 'newest ones that are kept'), checkpoint.keep),
    },
    'what is written to go on from',
  ).optional(),
  evaluate: record(
    {
      every: usual(whole(0, every), evaluate.every),
      batches: usual(whole(1, 'batches of the validation data, from its begin'), evaluate.batches),
    },
    'the loss on the validation data',
  ).optional(),
  sample: record(
    {
      every: usual(whole(0, every), sample.every),
      prompts: usual(list(anyText('a prompt'), 'a list of texts', 'texts to go on from'), sample.prompts),
      tokens: usual(whole(1, 'tokens of a sample'), sample.tokens),
      temperature: usual(real('0 always takes the likeliest'), sample.temperature),
    },
    'texts that show what was learnt; without this key there are none',
  ).optional(),
  spikes: record(
    {
      factor: usual(real('times the median of the losses before', { above: 1 }), spikes.factor),
      window: usual(whole(2, 'losses of which the median is taken', 65536), spikes.window),
    },
    'stop where the loss jumps; without this key it may',
  ).optional(),
  metrics: record(
    { tensorboard: usual(flag('write event files beside metrics.jsonl'), metrics.tensorboard) },
    'what is written to be watched',
  ).optional(),
}

export const trainSchema = record(
  trainKeys,
  'how is trained: in the one stage, or in all where `stages` does not say otherwise',
)

export const stageSchema = record(
  {
    name: z
      .string({ error: 'a name of letters, digits, - and _' })
      .regex(/^[A-Za-z0-9][\w-]{0,63}$/, 'a name of letters, digits, - and _')
      .describe('the name of its folder: pretrain, tune'),
    task: usual(
      word(['train', 'evaluate'], 'evaluate: no weight changes, and the loss on its data is what it gives'),
      configDefaults.task,
    ),
    average: flag('evaluate: the moving average of the weights, where one is kept (default true)').optional(),
    data: dataSchema.optional(),
    ...trainKeys,
  },
  'one stage, which goes on from the weights of the last one before it that trains',
)

export const exportSchema = record(
  {
    gguf: list(word(recipes, 'a format'), `a list of ${recipes.join(', ')}`, 'formats of GGUF files').optional(),
    transformers: flag('a transformers folder').optional(),
    average: flag('export the moving average of the weights, where one is kept (default true)').optional(),
  },
  'what the last stage is written as',
)

/** The whole config. */
export const configSchema = record(
  {
    $schema: anyText('the JSON Schema, for editors').optional(),
    name: text('what the model is called').optional(),
    model: modelSchema,
    tokenizer: tokenizerSchema.optional(),
    data: dataSchema.optional(),
    train: trainSchema.optional(),
    stages: list(stageSchema, 'a list of stages', 'stages in their order; default: one, called train').optional(),
    export: exportSchema.optional(),
  },
  'A training: model, tokenizer, data, stages, export.',
)

/** A key of a file that is left out is not there; it is never undefined. */
type Exact<T> = T extends readonly [unknown, unknown]
  ? T
  : T extends readonly (infer I)[]
    ? readonly Exact<I>[]
    : T extends object
      ? { readonly [K in keyof T]: Exact<Exclude<T[K], undefined>> }
      : T

/** A config as it is written. */
export type WrittenConfig = Exact<z.infer<typeof configSchema>>
export type WrittenData = Exact<z.infer<typeof dataSchema>>
export type WrittenTrain = Exact<z.infer<typeof trainSchema>>
export type WrittenStage = Exact<z.infer<typeof stageSchema>>

/** The JSON Schema of a config, for editors: the text of docs/train.schema.json. */
export function configSchemaText(): string {
  const { $schema, ...schema } = z.toJSONSchema(configSchema, { io: 'input' })
  return `${JSON.stringify({ $schema, title: 'Config of ck train', ...schema }, null, 1)}\n`
}
