import { basename } from 'node:path'
import { CkError } from '../base/errors.ts'
import { resolveTarget } from '../build/targets.ts'
import { makeChatArtifact } from '../chat/chatArtifact.ts'
import { defaultContext, planModel } from '../compile.ts'
import type { Checkpoint, CheckpointDescription, Json, MetadataValue } from '../formats/checkpoint.ts'
import { openCheckpoint } from '../formats/openCheckpoint.ts'
import { readModel } from '../templates/readModel.ts'
import type { BuildChoice } from './cachedBuild.ts'
import {
  type Compiled,
  countDtypes,
  describedChat,
  elementsOf,
  type Inspected,
  type Overview,
  type TensorRow,
} from './inspected.ts'

/** Looks into a checkpoint; headers only are read. A checkpoint that cannot be built still has tensors and metadata. */
export function inspectCheckpoint(path: string, choice: BuildChoice): Inspected {
  const checkpoint = openCheckpoint(path)
  try {
    const files = new Set([...checkpoint.tensors.values()].map(({ file }) => file))
    const tensors = [...checkpoint.tensors.values()].map(
      ({ name, dtype, shape, bytes, offset, file }): TensorRow => ({
        ...{ name, dtype, shape, bytes, offset },
        where: files.size > 1 ? basename(file) : '',
      }),
    )
    let planned: (Compiled & Pick<Overview, 'vocabulary' | 'layers' | 'context' | 'memory'>) | undefined
    const compiled = () => {
      planned ??= plan(checkpoint, choice)
      return planned
    }
    const chat = () => makeChatArtifact(checkpoint.description, path)
    return {
      overview: () => ({
        name: checkpoint.name,
        source: checkpoint.description.format,
        architecture: checkpoint.architecture,
        parameters: tensors.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
        bytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
        dtypes: countDtypes(tensors),
        tokenizer: describeTokenizer(checkpoint.description),
        ...describedChat(chat()),
        ...sizesOf(checkpoint, compiled),
      }),
      tensors,
      metadata: metadataOf(checkpoint.description),
      chat,
      compiled,
      close: () => checkpoint.close(),
    }
  } catch (error) {
    checkpoint.close()
    throw error
  }
}

function plan(checkpoint: Checkpoint, choice: BuildChoice) {
  const model = readModel(checkpoint, choice.context ?? defaultContext)
  const target = resolveTarget(choice.target)
  const { graph, source } = planModel(checkpoint, model, target, choice)
  const { plan, programs, context } = source
  const { weightsBytes: weights, memoryBytes: perContext } = plan
  return {
    graph: model.graph,
    optimized: graph,
    programs,
    plan,
    ...model.sizes,
    memory: { target: target.name, context, weights, perContext },
  }
}

/** What the template says of the model; where none fits, why not, and what the metadata say. */
function sizesOf(
  checkpoint: Checkpoint,
  compiled: () => Pick<Overview, 'vocabulary' | 'layers' | 'context' | 'memory'>,
): Partial<Overview> {
  try {
    const { vocabulary, layers, context, memory } = compiled()
    return { ...(memory && { vocabulary, layers, context, memory }) } as Partial<Overview>
  } catch (error) {
    if (!(error instanceof CkError) || error.code === 'option_invalid' || error.code === 'target_unknown') throw error
    return { ...statedSizes(checkpoint), refusal: error.message }
  }
}

function statedSizes({ description, architecture }: Checkpoint): Partial<Overview> {
  const number = (value: unknown) => (typeof value === 'number' ? value : undefined)
  const isGguf = description.format === 'gguf'
  const find = (gguf: string, transformers: string) =>
    number(isGguf ? description.metadata.get(`${architecture}.${gguf}`) : description.config[transformers])
  const tokens = isGguf ? description.metadata.get('tokenizer.ggml.tokens') : undefined
  const vocabulary = Array.isArray(tokens) ? tokens.length : find('vocab_size', 'vocab_size')
  const layers = find('block_count', 'num_hidden_layers')
  const context = find('context_length', 'max_position_embeddings')
  return {
    ...(vocabulary !== undefined && { vocabulary }),
    ...(layers !== undefined && { layers }),
    ...(context !== undefined && { context }),
  }
}

function describeTokenizer(description: CheckpointDescription): string {
  if (description.format === 'gguf') {
    const { metadata } = description
    const model = metadata.get('tokenizer.ggml.model')
    if (model === undefined) return 'none'
    const split = metadata.get('tokenizer.ggml.pre')
    const tokens = metadata.get('tokenizer.ggml.tokens')
    const count = Array.isArray(tokens) ? `, ${tokens.length} pieces` : ''
    return `${String(model)}${split === undefined ? '' : `, split ${String(split)}`}${count}`
  }
  const { tokenizer } = description
  if (tokenizer === undefined) return description.sentencePiece === undefined ? 'none' : 'tokenizer.model'
  const model = memberOf(tokenizer, 'model')
  const type = memberOf(model, 'type')
  const vocabulary = memberOf(model, 'vocab')
  const count = vocabulary && typeof vocabulary === 'object' ? `, ${Object.keys(vocabulary).length} pieces` : ''
  return `tokenizer.json, ${typeof type === 'string' ? type : 'of no stated type'}${count}`
}

function memberOf(value: Json | undefined, key: string): Json | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return (value as { readonly [key: string]: Json })[key]
}

function metadataOf(description: CheckpointDescription): [string, string][] {
  if (description.format === 'gguf') {
    return [...description.metadata].map(([key, value]) => [key, describeValue(value)])
  }
  return Object.entries(description.config).map(([key, value]) => [key, clip(JSON.stringify(value))])
}

function describeValue(value: MetadataValue): string {
  if (typeof value === 'string') return clip(JSON.stringify(value))
  if (typeof value !== 'object') return String(value)
  const first = Array.from({ length: Math.min(4, value.length) }, (_, i) => describeValue(value[i]!))
  return `[${first.join(', ')}${value.length > first.length ? `, ... ${value.length} in all` : ''}]`
}

function clip(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}...` : text
}
