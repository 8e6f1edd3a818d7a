/**
 * C Kernel Engine as a library: `compile` turns a checkpoint into a run folder, `load` opens one, and its sessions generate
 * text and give logits. `models` makes fresh models, which `compile` takes in place of a path.
 *
 * @example
 * import { compile, load } from 'c-kernel-engine'
 *
 * const { dir } = await compile('model.gguf', { out: 'run/model' })
 * const model = await load(dir)
 * for await (const piece of model.session().generate('Once upon a time', { tokens: 100 })) {
 *   process.stdout.write(piece.text)
 * }
 * await model.close()
 */
export { CkError, type ErrorCode } from './base/errors.ts'
export { type Target, targets } from './build/targets.ts'
export { type Compiled, type CompileOptions, type CompileStage, compile } from './compile.ts'
export type { Checkpoint } from './formats/checkpoint.ts'
export type {
  Chat,
  ChatOptions,
  ChatPiece,
  ChatStats,
  ChatTurn,
  Counter,
  EvalMode,
  EvalOptions,
  Finish,
  GenerateOptions,
  ModelInfo,
  Piece,
  Profile,
  Session,
  SiteEvent,
  SiteEvents,
  SiteName,
  Thinking,
  TokenizeOptions,
} from './run/session.ts'
export { load, Model } from './run/session.ts'
export { type FreshOptions, models } from './train/models.ts'
export { type TrainedModel, type TrainOptions, trainModel } from './train/trainModel.ts'
