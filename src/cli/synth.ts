import { statSync } from 'node:fs'
import { defineCommand } from './command.ts'
import { formatBytes } from './formatBytes.ts'

export const synth = defineCommand({
  name: 'synth',
  summary: 'Writes a GGUF file with random weights in the shape of a published model, to measure without a download.',
  model: null,
  options: ['shape', 'format', 'out', 'seed', 'json'],
  required: ['shape', 'format', 'out'],
  examples: ['ck synth --shape qwen3-0.6b --format q8_0 -o random.gguf'],
  async run({ options, io }) {
    const { shape = 'tiny', format = 'f32', out = '', seed = 1n, json } = options
    const { randomModel } = await import('./randomModel.ts')
    const { writeGguf } = await import('../formats/writeGguf.ts')
    const { metadata, tensors } = randomModel(shape, format, seed)
    writeGguf(out, metadata, tensors)
    const bytes = statSync(out).size
    if (json) io.out(`${JSON.stringify({ path: out, shape, format, seed: String(seed), bytes })}\n`)
    else io.out(`${out}: ${shape} in ${format}, ${tensors.length} tensors, ${formatBytes(bytes)}\n`)
    return 0
  },
})
