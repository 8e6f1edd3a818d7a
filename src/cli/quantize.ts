import { statSync } from 'node:fs'
import { anyCheckpoint, defineCommand } from './command.ts'
import { formatBytes } from './formatBytes.ts'
import { given } from './given.ts'

export const quantize = defineCommand({
  name: 'quantize',
  summary: 'Writes a GGUF file of a checkpoint with its matrices in another format.',
  model: anyCheckpoint,
  output: 'the .gguf file to write; one that is there is replaced once the new one is whole',
  options: ['format', 'tensor', 'imatrix', 'threads', 'json'],
  required: ['format'],
  explanation: `How the formats are distributed:
  The names with _s, _m and _l are mixes as llama.cpp has them: matrices to which a model is sensitive get more bits. In all
  block formats the head gets q6_K, of q8_0 and mxfp4 q8_0. Where rows are no multiple of 256, q2_K and q3_K give way to
  q4_0, q4_K to q5_0, q5_K to q5_1, q6_K to q8_0, iq4_xs to iq4_nl, and where they are none of 32 these to f16.
  Vectors and norms are f32. Values are rounded to the least squared error, with --imatrix weighted by its columns.`,
  examples: [
    'ck quantize model-f16.gguf model-q4_k_m.gguf --format q4_k_m',
    "ck quantize folder out.gguf --format q4_0 --tensor 'blk.*.ffn_down=q6_K' --imatrix imatrix.gguf",
  ],
  async run({ model: path, output: out, options, io }) {
    const { format = 'q8_0', tensor: rules, imatrix, threads, json } = options
    const { openCheckpoint } = await import('../formats/openCheckpoint.ts')
    const { readImportance } = await import('../quantize/importance.ts')
    const { quantizeModel } = await import('../quantize/quantizeModel.ts')
    const importance = imatrix === undefined ? undefined : readImportance(imatrix)
    const checkpoint = openCheckpoint(path)
    try {
      const onProgress = (done: number) => io.progress.show('quantize', done)
      const choice = given({ rules, importance, threads })
      const { tensors, parameters } = await quantizeModel(checkpoint, out, {
        ...{ recipe: format, signal: io.signal, onProgress },
        ...choice,
      })
      io.progress.end()
      const bytes = statSync(out).size
      const bits = (8 * bytes) / parameters
      if (json)
        io.out(`${JSON.stringify({ path: out, format, bytes, parameters, bitsPerWeight: bits, tensors }, null, 1)}\n`)
      else {
        const counts = new Map<string, number>()
        for (const { dtype } of tensors) counts.set(dtype, (counts.get(dtype) ?? 0) + 1)
        const kinds = [...counts].map(([dtype, count]) => `${count} ${dtype}`).join(', ')
        io.out(
          `${out}: ${format}, ${tensors.length} tensors (${kinds}), ${formatBytes(bytes)}, ${bits.toFixed(2)} bits per weight\n`,
        )
      }
      return 0
    } finally {
      checkpoint.close()
    }
  },
})
