import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Checkpoint } from '../formats/checkpoint.ts'
import type { StageConfig } from '../train/config/trainConfig.ts'
import type { Judgement } from '../train/pipeline/judgeModel.ts'
import { defineCommand } from './command.ts'
import { formatBytes } from './formatBytes.ts'
import { given } from './given.ts'

export const train = defineCommand({
  name: 'train',
  summary: 'Trains a model as a config says, stage by stage; called again it goes on where it stopped.',
  model: 'the config, YAML or JSON (docs/training.md)',
  isModelAsTyped: true,
  options: ['out', 'stage', 'threads', 'memoryBudget', 'target', 'debug'],
  explanation:
    'The folder has the tokenizer, the data, and of each stage the program in C, checkpoints and metrics.jsonl. SIGINT, SIGTERM and\n' +
    'SIGUSR1 end it behind the step it is in, with a checkpoint; the same command goes on from there with the same bits.',
  examples: [
    'ck train examples/shakespeare.yaml -o run/shakespeare',
    'ck train config.yaml --stage pretrain --memory 2GiB',
  ],
  async run({ model: path, options, io }) {
    const { loadTrainConfig } = await import('../train/config/loadTrainConfig.ts')
    const { hashConfig } = await import('../train/config/hashConfig.ts')
    const { runTraining } = await import('../train/pipeline/runTraining.ts')
    const { TrainingDisplay } = await import('../train/watch/trainingDisplay.ts')
    const { untilSignal } = await import('../train/watch/untilSignal.ts')
    const config = loadTrainConfig(path)
    const { out = join('run', config.name), stage: stages, threads, memoryBudget, target, debug } = options
    const display = new TrainingDisplay(process.stderr, 10)
    const watch = untilSignal()
    let [steps, flops, peak, tokens] = [0, 0, 0, 0]
    peak = await peakOf(threads)
    try {
      const result = await runTraining(config, hashConfig(config, dirname(path)), {
        ...{ out, signal: watch.signal },
        ...given({ stages, threads, memory: memoryBudget, target, debug }),
        watch: {
          onNote: (note) => display.note(`ck: ${note}`),
          onStage: ({ name }, settings, program) => {
            steps = settings.steps
            flops = program.flops * settings.accumulate
            tokens = settings.size.batch * settings.size.length * settings.accumulate
            const memory = formatBytes(program.memoryBytes)
            display.note(
              `ck: stage ${name}: ${steps} steps of ${tokens} tokens, ${memory}, ${settings.threads} threads`,
            )
          },
          onStep: (_stage, { step, loss, rate, norm, seconds, tokens: learnt, validation }) =>
            display.show({
              ...{ step, steps, loss, learningRate: rate, tokensPerSecond: learnt / seconds },
              ...given({ gradientNorm: norm, validationLoss: validation?.loss }),
              ...(peak > 0 ? { ofPeak: flops / seconds / peak } : {}),
              secondsLeft: (steps - step) * seconds,
            }),
          sample: async (stage, model) => {
            for (const text of await sampleTexts(stage, model)) display.note(text)
          },
        },
      })
      display.end()
      for (const { name, result: ended } of result.stages) {
        const validation = ended.validation ? `, validation loss ${ended.validation.loss.toFixed(4)}` : ''
        io.out(`${out}/${name}: ${ended.step} steps${validation}\n`)
      }
      for (const { name, judgement } of result.judgements) io.out(`${out}/${name}: ${judgementLine(judgement)}\n`)
      for (const path of result.exported) io.out(`${path}\n`)
      if (!result.isComplete) io.note('ck: stopped behind a step; the same command goes on from there')
      return 0
    } finally {
      display.end()
      watch.end()
    }
  },
})

function judgementLine({ loss, targets, bytes, bitsPerByte }: Judgement): string {
  const perByte = bitsPerByte === undefined ? '' : `, ${bitsPerByte.toFixed(4)} bits per byte of ${bytes}`
  return `validation loss ${loss.toFixed(4)} of ${targets} tokens${perByte}`
}

/** Floating-point operations per second of the machine, where a person watches; else 0. */
async function peakOf(threads = Math.min(availableParallelism(), 64)): Promise<number> {
  if (!process.stderr.isTTY) return 0
  const { openGauge } = await import('./gauge.ts')
  const gauge = await openGauge(['f32'])
  try {
    return (await gauge.limits(threads)).f32?.best ?? 0
  } finally {
    await gauge.close()
  }
}

/** What the model makes of the prompts of a stage. */
async function sampleTexts({ sample, length }: StageConfig, model: Checkpoint): Promise<readonly string[]> {
  if (!sample) return []
  const { compile } = await import('../compile.ts')
  const { load } = await import('../run/session.ts')
  const folder = mkdtempSync(join(tmpdir(), 'ck-sample-'))
  try {
    const { dir } = await compile(model, { out: join(folder, 'run'), context: length })
    const opened = await load(dir)
    try {
      const texts: string[] = []
      for (const prompt of sample.prompts) {
        const session = opened.session()
        let text = ''
        const settings = { tokens: sample.tokens, temperature: sample.temperature, seed: 1n }
        for await (const piece of session.generate(prompt, settings)) text += piece.text
        texts.push(`  ${prompt}${text}`.replaceAll('\n', '\n  '))
      }
      return texts
    } finally {
      await opened.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
