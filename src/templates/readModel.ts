import type { WeightDtype } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { GraphBuilder } from '../ir/build.ts'
import type { Graph } from '../ir/graph.ts'
import { bert } from './bert.ts'
import { ConfigReader } from './configReader.ts'
import { gemma } from './gemma.ts'
import { gemma2 } from './gemma2.ts'
import { gemma3 } from './gemma3.ts'
import { glm } from './glm.ts'
import { glm4 } from './glm4.ts'
import { gpt2 } from './gpt2.ts'
import { granite } from './granite.ts'
import { llama } from './llama.ts'
import { mistral } from './mistral.ts'
import { olmo2 } from './olmo2.ts'
import { phi3 } from './phi3.ts'
import { qwen2 } from './qwen2.ts'
import { qwen3 } from './qwen3.ts'
import { qwen35 } from './qwen35.ts'
import { smollm3 } from './smollm3.ts'
import { starcoder2 } from './starcoder2.ts'
import type { ModelSizes, Template } from './template.ts'
import { findSource, sourceDtype, type WeightSource } from './weightSource.ts'

export const templates: readonly Template[] = [
  llama,
  mistral,
  qwen2,
  qwen3,
  qwen35,
  phi3,
  smollm3,
  granite,
  gemma,
  gemma2,
  gemma3,
  olmo2,
  glm,
  glm4,
  gpt2,
  starcoder2,
  bert,
] as readonly Template[]

/** A checkpoint understood: its template, its graph (ir1), and the source of every weight by our name. */
export interface Model {
  readonly template: string
  readonly sizes: ModelSizes
  readonly graph: Graph
  readonly sources: ReadonlyMap<string, WeightSource>
}

/**
 * Finds the template, reads the config, matches every tensor and builds ir1. Refuses an unknown architecture, a tensor
 * that is missing, has another shape, or that the template does not read. `context`: tokens that the model shall hold, for
 * families whose rotation depends on it; absent: as many as it was made for.
 */
export function readModel(checkpoint: Checkpoint, context?: number): Model {
  const { format } = checkpoint.description
  const { template, config } = readConfig(checkpoint, context)
  const specs = template.weights(config)
  const found = new Map(specs.map((spec) => [spec.name, findSource(checkpoint, spec)]))
  const stored = specs.filter(({ isDerived }) => !isDerived)
  const ignored = [...template.ignored, ...(template.ignoredBy?.(config) ?? [])]
  refuseUnread(checkpoint, template.name, ignored, new Set(stored.map((spec) => spec[format])))
  const builder = new GraphBuilder(template.name)
  const specOf = new Map(specs.map((spec) => [spec.name, spec]))
  template.graph(builder, config, (name) => {
    const source =
      found.get(name) ?? fail('graph_invalid', { where: name, what: 'is not among the weights of its template' })
    const { shape, isExact } = specOf.get(name)!
    return builder.weight(name, { dtype: isExact ? 'f32' : computeDtype(source), shape })
  })
  const graph = builder.finish()
  const used = new Set(graph.weights.map(({ name }) => name))
  const sources = new Map([...found].filter(([name]) => used.has(name)))
  return { template: template.name, sizes: template.sizes(config), graph, sources }
}

/** Finds the template of a checkpoint and reads its config. Refuses `architecture_unknown` and `config_invalid`. */
export function readConfig(checkpoint: Checkpoint, context?: number): { template: Template; config: unknown } {
  const { format } = checkpoint.description
  const template = templates.find((candidate) => candidate[format].includes(checkpoint.architecture))
  if (!template) {
    fail('architecture_unknown', {
      path: checkpoint.path,
      found: checkpoint.architecture,
      accepted: [...new Set(templates.flatMap((candidate) => candidate[format]))].join(', '),
    })
  }
  return { template, config: template.config[format](new ConfigReader(checkpoint, context)) }
}

/** Matrices are computed in the format they are stored in; vectors are few, and computed in f32. */
function computeDtype(source: WeightSource): WeightDtype {
  return source.from === 'tensor' && source.tensor.shape.length > 1 ? sourceDtype(source) : 'f32'
}

function refuseUnread(
  checkpoint: Checkpoint,
  template: string,
  ignored: readonly RegExp[],
  read: ReadonlySet<string>,
): void {
  for (const name of checkpoint.tensors.keys()) {
    if (read.has(name) || ignored.some((pattern) => pattern.test(name))) continue
    fail('tensor_unread', { path: checkpoint.path, tensor: name, template })
  }
}
