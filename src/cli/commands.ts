import { bench } from './bench.ts'
import { build } from './build.ts'
import { cache } from './cache.ts'
import { chat } from './chat.ts'
import type { Command } from './command.ts'
import { dataInspect } from './dataInspect.ts'
import { dataPrepare } from './dataPrepare.ts'
import { doctor } from './doctor.ts'
import { embed } from './embed.ts'
import { exportModel } from './exportModel.ts'
import { grads } from './grads.ts'
import { imatrix } from './imatrix.ts'
import { init } from './init.ts'
import { inspect } from './inspect.ts'
import { logits } from './logits.ts'
import { parity } from './parity.ts'
import { perplexity } from './perplexity.ts'
import { profile } from './profile.ts'
import { pull } from './pull.ts'
import { quantize } from './quantize.ts'
import { run } from './run.ts'
import { synth } from './synth.ts'
import { tokenize } from './tokenize.ts'
import { tokenizerTrain } from './tokenizerTrain.ts'
import { train } from './train.ts'

/** Every command, in the order of the help. */
export const commands: readonly Command[] = [
  run,
  chat,
  build,
  pull,
  inspect,
  tokenize,
  logits,
  embed,
  grads,
  parity,
  perplexity,
  quantize,
  exportModel,
  imatrix,
  init,
  train,
  tokenizerTrain,
  dataPrepare,
  dataInspect,
  bench,
  profile,
  synth,
  cache,
  doctor,
]
