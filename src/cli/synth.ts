import { statSync } from 'node:fs'
import { defineCommand } from './command.ts'
import { formatBytes } from './formatBytes.ts'
import { given } from './given.ts'

export const synth = defineCommand({
  name: 'synth',
  summary: 'Writes a GGUF file with random weights in the shape of a published model, to measure without a download.',
  model: null,
  options: ['shape', 'format', 'out', 'seed', 'threads', 'json'],
  required: ['shape', 'format', 'out'],
  examples: ['ck synth --shape qwen3-0.6b --format q8_0 -o random.gguf'],
  async run({ options, io }) {
    const { shape = 'tiny', format = 'f32', out = '', seed = 1n, threads, json } = options
    const { writeRandomModel } = await import('./writeRandomModel.ts')
    const onProgress = (done: number) => io.progress.show('quantize', done)
    const choice = given({ threads })
    const tensors = await writeRandomModel(out, shape, format, { seed, signal: io.signal, onProgress, ...choice })
    io.progress.end()
    const bytes = statSync(out).size
    if (json) io.out(`${JSON.stringify({ path: out, shape, format, seed: String(seed), bytes })}\n`)
    else io.out(`${out}: ${shape} in ${format}, ${tensors} tensors, ${formatBytes(bytes)}\n`)
    return 0
  },
})
