import type { Json } from '../formats/checkpoint.ts'
import { isJsonObject, type JsonObject } from '../formats/parseJson.ts'
import type { JsonFields } from './jsonFields.ts'

/** Which ids a post-processor sets around a text. */
export interface JsonTemplate {
  readonly bos: number | undefined
  readonly eos: number | undefined
}

/** Reads `post_processor`; undefined where it has no template. Raises tokenizer_invalid for what is more than BOS, EOS. */
export function readJsonTemplate(
  fields: JsonFields,
  idOf: ReadonlyMap<string, number>,
  processor: Json = fields.json.post_processor ?? null,
): JsonTemplate | undefined {
  if (processor === null) return undefined
  if (!isJsonObject(processor)) return fields.refuse(`post_processor is ${fields.show(processor)}`, 'an object')
  switch (processor.type) {
    case 'ByteLevel':
      return undefined
    case 'Sequence': {
      const steps = Array.isArray(processor.processors) ? (processor.processors as readonly Json[]) : []
      const found = steps
        .map((step) => readJsonTemplate(fields, idOf, step))
        .filter((template) => template !== undefined)
      if (found.length > 1) fields.refuse('post_processor has several templates', 'at most one TemplateProcessing')
      return found[0]
    }
    case 'BertProcessing':
    case 'RobertaProcessing':
      return { bos: pairOf(fields, idOf, processor, 'cls'), eos: pairOf(fields, idOf, processor, 'sep') }
    case 'TemplateProcessing':
      return templateOf(fields, idOf, Array.isArray(processor.single) ? processor.single : [])
    default:
      return fields.refuse(
        `post_processor is ${fields.show(processor)}`,
        'ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing, or a Sequence',
      )
  }
}

/** The token of a pair [text, id]. */
function pairOf(fields: JsonFields, idOf: ReadonlyMap<string, number>, processor: JsonObject, key: string): number {
  const [text]: readonly Json[] = Array.isArray(processor[key]) ? processor[key] : []
  const id = typeof text === 'string' ? idOf.get(text) : undefined
  return (
    id ?? fields.refuse(`${key} of the post_processor is ${fields.show(processor[key] ?? null)}`, 'a token and its id')
  )
}

function templateOf(fields: JsonFields, idOf: ReadonlyMap<string, number>, single: readonly Json[]): JsonTemplate {
  const names = single.map((item) => {
    const special = isJsonObject(item) && isJsonObject(item.SpecialToken) ? item.SpecialToken.id : undefined
    return typeof special === 'string' ? special : undefined
  })
  const at = names.indexOf(undefined)
  if (at < 0 || at > 1 || names.length > at + 2 || names.lastIndexOf(undefined) !== at) {
    fields.refuse(`the template is ${fields.show([...single])}`, 'at most one token before and one after the text')
  }
  const id = (name: string | undefined) => {
    if (name === undefined) return undefined
    return (
      idOf.get(name) ?? fields.refuse(`the template's ${fields.show(name)} is no token`, 'a token of the vocabulary')
    )
  }
  return { bos: id(names[at - 1]), eos: id(names[at + 1]) }
}
