import { precisions } from '../base/precisions.ts'
import { recipeNames } from '../quantize/recipes.ts'
import { initMethodNames } from '../train/init/initMethods.ts'
import { modelFamilies } from '../train/init/modelFamilies.ts'
import {
  anyText,
  byteCount,
  type Check,
  choice,
  decimal,
  escapedText,
  idList,
  numberList,
  seed,
  someText,
  tensorRule,
  textList,
  wholeNumber,
} from './checks.ts'
import { shapeNames } from './shapes.ts'

/** One option: a flag, or with `value` and `check` an option that takes a text. Its key gives its long name. */
export interface OptionRow<T = unknown> {
  readonly letter?: string
  /** Its long name without the dashes, where that of its key is another option's. */
  readonly long?: string
  /** What stands for the value in the help. */
  readonly value?: string
  readonly check?: Check<T>
  /** May be given several times; the values are collected. */
  readonly repeats?: true
  readonly help: string
}

/** Every option of every command, once. The key `topK` is the option `--top-k`. */
export const options = {
  prompt: { letter: 'p', value: 'text', check: anyText, help: 'the text to continue' },
  promptFile: { letter: 'f', value: 'path', check: someText, help: 'read the prompt from a file' },
  ids: { value: 'list', check: idList, help: 'token ids with commas between them: 1,2,3' },
  idsFile: { value: 'path', check: someText, help: 'a file of token ids: a JSON array, or numbers with white space' },
  tokens: {
    letter: 'n',
    value: 'count',
    check: wholeNumber(0, 2 ** 31 - 1),
    help: 'at most this many tokens (0: until the text or the context ends; default 0)',
  },
  temp: { value: 'x', check: decimal(0), help: 'temperature; 0 always takes the likeliest token (default 0.8)' },
  topK: {
    value: 'count',
    check: wholeNumber(0, 2 ** 31 - 1),
    help: 'only this many of the likeliest tokens (0: off; default 40)',
  },
  topP: { value: 'x', check: decimal(0, 1), help: 'only the likeliest tokens of this share (1: off; default 0.95)' },
  minP: {
    value: 'x',
    check: decimal(0, 1),
    help: 'only tokens at least this many times as likely as the likeliest (default 0: off)',
  },
  repeatPenalty: {
    value: 'x',
    check: decimal(0),
    help: 'makes the last 64 tokens less likely (default 1: off)',
  },
  seed: {
    value: 'number',
    check: seed,
    help: 'same seed, same result (default: random; of ck synth, ck init and ck data: 1)',
  },
  stop: { value: 'text', check: someText, repeats: true, help: 'end before this text; may be given 16 times' },
  ignoreEos: { help: 'go on after the end of the text' },
  echo: { help: 'print the prompt before its continuation' },
  stats: { help: 'print timings to standard error at the end' },
  threads: {
    letter: 't',
    value: 'count',
    check: wholeNumber(1, 64),
    help: 'threads (default: the cores); changes no number',
  },
  context: { value: 'tokens', check: wholeNumber(1), help: "tokens held (default: the model's own, at most 4096)" },
  overflow: {
    value: 'what',
    check: choice('refuse', 'shift'),
    help: 'when the context is full: refuse, or shift: drop the older half and compute the newer again (default refuse)',
  },
  keep: {
    value: 'tokens',
    check: wholeNumber(0, 2 ** 31 - 1),
    help: 'with --overflow shift: never drop this many first tokens (default 0)',
  },
  promptCache: {
    value: 'path',
    check: someText,
    help: 'begin with the tokens of this file that the prompt begins with too',
  },
  savePromptCache: { help: 'write all tokens to that file at the end' },
  sequences: {
    value: 'count',
    check: wholeNumber(1, 1024),
    help: 'sequences that one context holds, each of --context tokens (default 1)',
  },
  target: { value: 'name', check: someText, help: 'what to compile for; ck doctor lists them (default: native)' },
  strict: { help: 'compute in f32 whatever the weights' },
  cache: {
    value: 'type',
    check: choice('f32', 'f16', 'q8_0'),
    help: 'type of the key and value caches: f32, f16 or q8_0 (default: f16 where weights are in blocks, else f32)',
  },
  profile: { help: 'count what each kernel call and each wait costs, for ck bench --ops and ck profile' },
  ops: {
    help: 'the same per kernel call: time, bytes, operations, share of the roofline, waits (builds with --profile)',
  },
  vs: {
    value: 'engine',
    check: choice('llama.cpp'),
    help: 'in turns with another engine on the same .gguf file (llama.cpp, which npm install --prefix bench brings)',
  },
  cc: { value: 'command', check: someText, help: 'the C compiler (default: $CC, cc, gcc, clang, zig cc)' },
  system: { value: 'text', check: anyText, help: 'what the model is to be, in words' },
  think: {
    value: 'how',
    check: choice('visible', 'hidden', 'off'),
    help: 'what the model thinks: visible, hidden (it thinks all the same), or off (default visible)',
  },
  template: { value: 'path', check: someText, help: "a file with a chat template, in place of the model's own" },
  verbose: { help: 'say behind each answer how many tokens were read anew, and how fast' },
  chat: { help: 'the chat template, and the contract that it was compiled to' },
  out: {
    letter: 'o',
    value: 'path',
    check: someText,
    help: 'where to write; what was written there before is replaced',
  },
  unused: {
    value: 'days',
    check: wholeNumber(0, 36_500),
    help: 'remove the builds that no command has used for so many days (0: all)',
  },
  json: { help: 'print JSON, for programs' },
  metadata: { help: 'what the checkpoint says about itself, key by key' },
  tensors: { help: 'every tensor: type, shape, place' },
  graph: { help: 'the graph as the template built it (ir1)' },
  optimized: { help: 'with --graph: the graph after all passes' },
  memoryBudget: {
    long: 'memory',
    value: 'bytes',
    check: byteCount,
    help: 'the most memory that training may take, such as 2GiB: what does not fit is computed again (default: no bound)',
  },
  debug: { help: 'watch every call: a step in which one writes beyond its buffers ends with the names of both' },
  stage: {
    value: 'name',
    check: someText,
    repeats: true,
    help: 'only this stage of the config; may be given several times',
  },
  memory: { help: 'every weight and buffer: place, bytes, lifetime' },
  kernels: { help: 'every kernel call: sizes, operations, bytes, barriers' },
  text: { value: 'text', check: anyText, help: 'the text (with --decode: ids, 1,2,3)' },
  file: { value: 'path', check: someText, help: 'a file with the text (with --decode: with ids)' },
  decode: { help: 'turn ids into text' },
  special: { help: 'special tokens written in the text become their ids (with --decode: are written out)' },
  addSpecial: { help: 'put the special tokens around the text that the model asks for' },
  window: {
    value: 'tokens',
    check: wholeNumber(1),
    help: 'tokens read at a time, each time from an empty context (default: the context, at most 512)',
  },
  bos: { help: 'begin every window with the token that begins texts for this model, in place of its first' },
  klBase: {
    value: 'model',
    check: someText,
    help: 'compare with this model, which reads the same tokens (a checkpoint is computed in f32, as with --strict)',
  },
  mode: {
    value: 'mode',
    check: choice('prefill', 'decode', 'interpret'),
    help: 'prefill: in blocks; decode: one at a time; interpret: in float64, without a compiler (default prefill)',
  },
  dtype: { value: 'name', check: choice('f32', 'f64'), help: 'what numbers are written as: f32, f64 (default f32)' },
  precision: {
    value: 'name',
    check: choice(...precisions),
    help: 'what a training keeps between its halves and reads of weights: f32, bf16 (default f32)',
  },
  shape: { value: 'name', check: choice(...shapeNames), help: `what the model is like: ${shapeNames.join(', ')}` },
  format: {
    value: 'name',
    check: choice(...recipeNames),
    help: `what its matrices are stored in: ${recipeNames.join(', ')}`,
  },
  exportFormat: {
    long: 'format',
    value: 'name',
    check: choice('transformers', ...recipeNames),
    help: `transformers: a folder with f32 weights; or a .gguf file with matrices in ${recipeNames.join(', ')}`,
  },
  average: { help: 'the running averages of the weights, where the training kept them, in place of the weights' },
  tensor: {
    value: 'pattern=type',
    check: tensorRule,
    repeats: true,
    help: "a type for the matrices of these names, 'blk.*.ffn_down=q6_K'; of several that match the last counts",
  },
  imatrix: { value: 'path', check: someText, help: 'importance of the columns, from ck imatrix or llama.cpp' },
  tokenizer: {
    value: 'model',
    check: someText,
    help: 'whose tokens: a .gguf file, a transformers folder, a run folder, a tokenizer.json, a model of the hub',
  },
  separator: {
    value: 'text',
    check: escapedText,
    help: 'in plain text what stands between documents, with \\n for a line end (default: a file is one document)',
  },
  validation: {
    value: 'share',
    check: decimal(0, 0.9),
    help: 'share of the whole that is for validation (default 0.05)',
  },
  split: {
    value: 'how',
    check: choice('end', 'documents'),
    help: 'validate on the last bytes, or on documents drawn by --seed (default end)',
  },
  invalid: {
    value: 'how',
    check: choice('refuse', 'repair'),
    help: 'what is no UTF-8: refuse it, or repair: write U+FFFD in its place (default refuse)',
  },
  controls: {
    value: 'how',
    check: choice('remove', 'keep'),
    help: 'control characters other than tabs and line ends: remove or keep (default remove)',
  },
  ascii: { help: 'write all text in ASCII: letters without their marks, plain quotes and dashes, ? for the rest' },
  longest: {
    value: 'bytes',
    check: wholeNumber(1, 2 ** 28),
    help: 'longer documents are left out (default 268435456)',
  },
  endToken: { help: 'put the token that ends texts behind each document of plain text' },
  batch: { value: 'number', check: wholeNumber(0), help: 'show this batch, from 0 (default 0)' },
  rows: { value: 'count', check: wholeNumber(1, 1024), help: 'rows of the batch that is shown (default 2)' },
  rowTokens: { value: 'count', check: wholeNumber(1, 2 ** 20), help: 'tokens of such a row (default 64)' },
  train: { help: 'the training program: its ops and its gradients' },
  against: { value: 'path', check: someText, help: 'a safetensors file of gradients, as ck grads writes them in f32' },
  promptTokens: { letter: 'p', value: 'count', check: wholeNumber(1), help: 'tokens of a prefill (default 512)' },
  decodeTokens: {
    letter: 'n',
    value: 'count',
    check: wholeNumber(1),
    help: 'tokens decoded one by one behind each depth (default 128)',
  },
  depth: { value: 'list', check: numberList(0), help: 'tokens held before the decoded ones: 0,4096 (default 0)' },
  threadCounts: {
    letter: 't',
    value: 'list',
    check: numberList(1, 64),
    help: 'numbers of threads, each measured: 1,2 (default: the cores)',
  },
  repeat: { value: 'count', check: wholeNumber(1, 1000), help: 'rounds over all configurations (default 5)' },
  vocab: {
    value: 'count',
    check: wholeNumber(1),
    help: 'tokens of the vocabulary, the 256 bytes and the special ones among them',
  },
  wordSplit: {
    long: 'split',
    value: 'rule',
    check: someText,
    help: 'how text is cut into words: qwen2, gpt2, llama3 and others by name, or a pattern (default qwen2)',
  },
  specials: {
    long: 'special',
    value: 'list',
    check: textList,
    repeats: true,
    help: 'special tokens, the first ids, with commas between them: "<|endoftext|>,<|im_end|>"',
  },
  beginToken: {
    long: 'bos',
    value: 'token',
    check: someText,
    help: 'the special token that is set before every text (default: none)',
  },
  minFrequency: {
    value: 'count',
    check: wholeNumber(0),
    help: 'pairs that stand in the texts less often do not join (default 0: all may)',
  },
  family: {
    long: 'template',
    value: 'name',
    check: someText,
    help: `the family of the model: ${modelFamilies.join(', ')}`,
  },
  vocabulary: {
    long: 'vocab',
    value: 'count',
    check: wholeNumber(1),
    help: "tokens of the vocabulary (default: the tokenizer's)",
  },
  dim: { value: 'count', check: wholeNumber(1), help: 'width of the model (default: --hidden where given, else 256)' },
  layers: { value: 'count', check: wholeNumber(1), help: 'layers (default 4)' },
  hidden: {
    value: 'count',
    check: wholeNumber(1),
    help: "width of the feed-forward (default: the family's share of --dim)",
  },
  heads: { value: 'count', check: wholeNumber(1), help: 'heads of attention (default: as many as are about 64 wide)' },
  kvHeads: {
    value: 'count',
    check: wholeNumber(1),
    help: 'heads of keys and values (default: half of the heads, or all)',
  },
  headDim: { value: 'count', check: wholeNumber(1), help: 'width of a head (default: --dim divided among the heads)' },
  contextLen: { value: 'tokens', check: wholeNumber(1), help: 'tokens that the model is made for (default 512)' },
  tied: {
    value: 'how',
    check: choice('yes', 'no'),
    help: "whether the head shares the embedding's weights (default: as the family)",
  },
  ropeTheta: { value: 'x', check: decimal(0), help: "base of the rotation (default: the family's)" },
  attentionWindow: {
    long: 'window',
    value: 'tokens',
    check: wholeNumber(0),
    help: "tokens that layers with a window read back (default: the family's)",
  },
  init: {
    value: 'method',
    check: choice(...initMethodNames),
    help: `how matrices are drawn: ${initMethodNames.join(', ')} (default normal)`,
  },
  deviation: {
    value: 'x',
    check: decimal(0),
    help: 'deviation of the normal methods (default 0.02, or as the family)',
  },
  tokenizerFile: {
    long: 'tokenizer',
    value: 'path',
    check: someText,
    help: 'a tokenizer.json, or a folder with one; it and the files of its chat template go into the model',
  },
  form: {
    letter: 'o',
    value: 'form',
    check: choice('text', 'json'),
    help: 'text: numbers with spaces between them; json: as --json (default text)',
  },
  output: {
    letter: 'o',
    value: 'form',
    check: choice('md', 'json'),
    help: 'md: a Markdown table; json: as --json (default md)',
  },
} as const satisfies Record<string, OptionRow>

export type OptionName = keyof typeof options

type ValueOf<O> = O extends { check: Check<infer T> } ? (O extends { repeats: true } ? readonly T[] : T) : true

/** The values of a command line, checked; what was not given is absent. */
export type OptionValues<N extends OptionName = OptionName> = { readonly [K in N]?: ValueOf<(typeof options)[K]> }

/** The option as one writes it: `--top-k`. */
export function longName(name: OptionName): string {
  const row: OptionRow = options[name]
  return `--${row.long ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}
