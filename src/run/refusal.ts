import { fail } from '../base/errors.ts'
import type { Answer } from './native.ts'

/** The result of an engine call, or the refusal that fits its failure. `what` names the call, `dir` the run folder. */
export function resultOf<T>(answer: Answer<T>, what: string, dir: string): T {
  if (answer.status === 'ok') return answer.value
  if (answer.status === 'stopped') return fail('aborted', { what })
  return fail('engine_failed', { what: `${dir}: ${what}: ${answer.message}` })
}

/** The result of opening a model's files, or the refusal that fits its failure. */
export function openedOf<T>(answer: Answer<T>, dir: string): T {
  if (answer.status === 'ok') return answer.value
  if (answer.status === 'cpu') {
    const parts = /built for (?<target>.+), and this CPU lacks (?<missing>.+);/.exec(answer.message)?.groups
    const { target = 'another CPU', missing = answer.message } = parts ?? {}
    return fail('target_unsupported', { dir, target, missing })
  }
  if (answer.status === 'memory') return fail('engine_failed', { what: `${dir}: ${answer.message}` })
  return fail('run_folder_invalid', { dir, what: answer.message })
}

/** The result of saving or loading tokens, or the refusal that fits its failure; the sentence names the file. */
export function savedOf<T>(answer: Answer<T>, what: string, dir: string): T {
  if (answer.status === 'file' || answer.status === 'format' || answer.status === 'context') {
    return fail('saved_tokens_failed', { what: answer.message })
  }
  return resultOf(answer, what, dir)
}
