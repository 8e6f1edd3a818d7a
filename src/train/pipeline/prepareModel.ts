import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { makeFolder } from '../../base/makeFolder.ts'
import { orRefuseWrite } from '../../base/orRefuseWrite.ts'
import type { TrainConfig } from '../config/trainConfig.ts'
import { makeFreshModel, writeFreshModel } from '../freshModel.ts'
import { readTokenizerFiles } from '../init/tokenizerFiles.ts'
import { trainTokenizer } from '../tokenizer/trainTokenizer.ts'
import { trainingPlaces } from './runFolder.ts'

/** What makes ids of texts. */
export interface TokenizerSource {
  /** Of a tokenizer.json or what has one. */
  readonly path: string
  /** Whether it is only known from the model, which may have none where data are ids. */
  readonly isOfModel: boolean
}

/** Where the first stage begins: a model, and the tokenizer of its texts. */
export interface PreparedModel {
  readonly path: string
  /** Absent: data must be ids. */
  readonly tokenizer?: TokenizerSource
}

/**
 * The tokenizer and the model of a config, made in the folder `out` where the config asks for new ones and they are not there
 * yet. Refuses as `trainTokenizer` and `makeFreshModel`.
 */
export async function prepareModel(
  { model, tokenizer }: TrainConfig,
  out: string,
  { threads, signal, onNote }: { readonly threads: number; readonly signal: AbortSignal; onNote(note: string): void },
): Promise<PreparedModel> {
  const places = trainingPlaces(out)
  let path = tokenizer?.kind === 'path' ? tokenizer.path : undefined
  if (tokenizer?.kind === 'train') {
    path = places.tokenizer
    if (!existsSync(path)) {
      orRefuseWrite(path, () => makeFolder(dirname(places.tokenizer)))
      const { kind: _, ...settings } = tokenizer
      const trained = await trainTokenizer({ ...settings, threads, signal }, path)
      onNote(`tokenizer: ${trained.vocabulary} tokens, ${trained.merges} merges`)
    }
  }
  const asked = path === undefined ? {} : { tokenizer: { path, isOfModel: false } }
  if (model.kind === 'checkpoint')
    return { path: model.path, tokenizer: { path: model.path, isOfModel: true }, ...asked }
  if (!existsSync(`${places.init}/config.json`)) {
    const files = path === undefined ? undefined : readTokenizerFiles(path)
    const vocab = model.shape.vocab ?? files?.vocabulary ?? 0
    const fresh = makeFreshModel(model.template, { ...model.shape, vocab }, model.init)
    writeFreshModel(places.init, fresh, files ?? {})
    onNote(`model: fresh ${model.template} of ${fresh.parameters} parameters`)
  }
  return { path: places.init, ...asked }
}
