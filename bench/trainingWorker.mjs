// Our side of training.mjs, in the words of training.py: `node trainingWorker.mjs FOLDER IDS BATCH LENGTH THREADS RUN` trains
// the model of a transformers folder by the program in the run folder RUN, and `... build [accumulates] [bf16] [memory=BYTES]` behind
// that makes RUN first and ends. Requests by line: step, update (of a RUN that accumulates), memory, end.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { compileTraining } from '../dist/train/program/compileTraining.js'
import { openCheckpoint } from '../dist/formats/openCheckpoint.js'
import { readModel } from '../dist/templates/readModel.js'
import { loadWeights } from '../dist/train/program/loadWeights.js'
import { stepRates } from '../dist/train/rates.js'
import { Trainer } from '../dist/train/program/trainer.js'

const [folder = '', idsPath = '', batchText, lengthText, threadsText, run = '', ...choices] = process.argv.slice(2)
const size = { batch: Number(batchText), length: Number(lengthText) }
const tokens = size.batch * size.length

/** @type {import('../dist/base/optimizers.js').Optimizer} */
const optimizer = { kind: 'adamW', beta1: 0.9, beta2: 0.95, eps: 1e-8 }
const rate = 1e-4

const checkpoint = openCheckpoint(folder)
const model = readModel(checkpoint, size.length)
if (choices[0] === 'build') await build()
else await serve()
checkpoint.close()

async function build() {
  const memory = choices.find((choice) => choice.startsWith('memory='))?.slice(7)
  await compileTraining(model, 'training', {
    size,
    out: run,
    update: { optimizer, group: () => ({ decay: 0.1, rate: 1 }) },
    accumulates: choices.includes('accumulates'),
    precision: choices.includes('bf16') ? 'bf16' : 'f32',
    ...(memory === undefined ? {} : { memory: Number(memory) }),
  })
}

async function serve() {
  const trainer = Trainer.open(run, { threads: Number(threadsText) })
  loadWeights(trainer, checkpoint, model)
  await trainer.refresh()
  const bytes = readFileSync(idsPath)
  const stream = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
  const batches = Math.floor((stream.length - 1) / tokens)
  const rows = Int32Array.from({ length: tokens }, (_, at) => at)
  if (trainer.has('positions')) trainer.ids('positions').set(rows.map((at) => at % size.length))
  if (trainer.has('starts')) trainer.ids('starts').set(rows.map((at) => at - (at % size.length)))
  trainer.values('total')[0] = tokens
  let steps = 0

  /** @param {number} at */
  const give = (at) => {
    trainer.ids('ids').set(stream.subarray(at * tokens, (at + 1) * tokens))
    trainer.ids('targets').set(stream.subarray(at * tokens + 1, (at + 1) * tokens + 1))
    trainer.values('rates').set(stepRates(optimizer, steps + 1, rate))
  }

  /** @param {string} program */
  const seconds = async (program) => {
    const start = performance.now()
    await trainer.run(program)
    return (performance.now() - start) / 1000
  }

  /** @type {{ [request: string]: () => Promise<object> }} */
  const requests = {
    async step() {
      const start = performance.now()
      give(steps % batches)
      await trainer.run('train')
      steps += 1
      return { loss: trainer.values('loss')[0], seconds: (performance.now() - start) / 1000 }
    },
    async update() {
      give(0)
      await trainer.run('gradients')
      return { seconds: await seconds('update') }
    },
    async memory() {
      const status = readFileSync('/proc/self/status', 'utf8')
      return { bytes: 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) }
    },
  }
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'end') break
    const request = requests[line]
    if (!request) throw new Error(`${line} is no request; accepted: ${Object.keys(requests).join(', ')}, end`)
    process.stdout.write(`${JSON.stringify(await request())}\n`)
  }
  await trainer.close()
}
