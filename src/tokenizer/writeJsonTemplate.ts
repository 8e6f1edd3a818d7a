import type { Json } from '../formats/checkpoint.ts'

/** Ids that stand around texts: behind every one, and before the first and the second of a pair. */
export interface AroundTexts {
  readonly before: readonly number[]
  readonly beforeSecond: readonly number[]
  readonly after: readonly number[]
}

/** The post-processor of a tokenizer.json that sets these ids around texts; null where there are none. */
export function writeJsonTemplate({ before, beforeSecond, after }: AroundTexts, texts: readonly string[]): Json {
  const ids = [...new Set([...before, ...after])]
  if (ids.length === 0) return null
  const special = (id: number, type: number) => ({ SpecialToken: { id: texts[id]!, type_id: type } })
  const part = (name: string, type: number, begin: readonly number[]) => [
    ...begin.map((id) => special(id, type)),
    { Sequence: { id: name, type_id: type } },
    ...after.map((id) => special(id, type)),
  ]
  const tokens = ids.map((id) => [texts[id]!, { id: texts[id]!, ids: [id], tokens: [texts[id]!] }] as const)
  return {
    type: 'TemplateProcessing',
    single: part('A', 0, before),
    pair: [...part('A', 0, before), ...part('B', 1, beforeSecond)],
    special_tokens: Object.fromEntries(tokens),
  }
}
