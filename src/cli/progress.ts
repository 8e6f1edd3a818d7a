import { createRequire } from 'node:module'
import type { SingleBar } from 'cli-progress'
import type { CompileStage } from '../compile.ts'

/** The download of a model, the stages of a build, the reading of a text, and the writing of a checkpoint or a data set. */
export type Stage = CompileStage | 'download' | 'score' | 'quantize' | 'measure' | 'prepare' | 'export'

const stageTexts: { readonly [S in Stage]: string } = {
  download: 'downloading',
  plan: 'planning',
  weights: 'writing weights',
  compile: 'compiling',
  score: 'scoring',
  quantize: 'quantising',
  measure: 'measuring',
  prepare: 'preparing',
  export: 'exporting',
}

/** Shows the stages of long work on standard error. */
export interface Progress {
  show(stage: Stage, done: number): void
  end(): void
}

/** Bars on a terminal, a line per stage elsewhere. */
export function createProgress(): Progress {
  return process.stderr.isTTY ? bars() : lines()
}

/** For where a program reads. */
export const noProgress: Progress = { show: () => {}, end: () => {} }

function lines(): Progress {
  let shown: Stage | undefined
  return {
    show(stage) {
      if (stage !== shown) process.stderr.write(`ck: ${stageTexts[stage]}\n`)
      shown = stage
    },
    end() {},
  }
}

function bars(): Progress {
  let stage: Stage | undefined
  let bar: SingleBar | undefined
  const end = () => {
    bar?.stop()
    stage = undefined
    bar = undefined
  }
  return {
    show(next, done) {
      if (next !== stage) {
        end()
        stage = next
        bar = startBar(next)
      }
      bar?.update(done)
    },
    end,
  }
}

function startBar(stage: Stage): SingleBar {
  // Most commands show no bar and must start fast; a stage that computes without pause could not wait for an import.
  const library = createRequire(import.meta.url)('cli-progress') as typeof import('cli-progress')
  const bar = new library.SingleBar({
    format: `${stageTexts[stage].padEnd(16)} [{bar}] {percentage}%`,
    barCompleteChar: '#',
    barIncompleteChar: '-',
    stream: process.stderr,
  })
  bar.start(1, 0)
  return bar
}
