import { anyModel, defineCommand } from './command.ts'
import { formatBytes } from './formatBytes.ts'
import { given } from './given.ts'
import type { Inspected, Overview } from './inspected.ts'
import { isRunFolder, refuseBuildOptions } from './openModel.ts'
import { printTable } from './printTable.ts'

export const inspect = defineCommand({
  name: 'inspect',
  summary: 'Shows what a checkpoint or a run folder is made of. Reads headers only and needs no compiler.',
  model: anyModel,
  options: [
    'metadata',
    'tensors',
    'graph',
    'optimized',
    'memory',
    'kernels',
    'chat',
    'target',
    'context',
    'strict',
    'json',
  ],
  examples: ['ck inspect model.gguf', 'ck inspect model.gguf --graph --optimized', 'ck inspect run/model --memory'],
  async run({ model: path, options, io }) {
    const { target, context, strict, json, ...asked } = options
    const choice = given({ target, context, strict })
    const inspected = await openInspected(path, choice)
    try {
      const sections = { ...asked, graph: asked.graph || asked.optimized }
      if (json) io.out(`${JSON.stringify(await jsonOf(inspected, sections), null, 1)}\n`)
      else for (const text of await textsOf(inspected, sections)) io.out(text)
      return 0
    } finally {
      inspected.close()
    }
  },
})

type Sections = {
  readonly [S in 'metadata' | 'tensors' | 'graph' | 'optimized' | 'memory' | 'kernels' | 'chat']?: boolean | undefined
}

async function openInspected(path: string, choice: { target?: string; context?: number; strict?: true }) {
  if (!isRunFolder(path)) return (await import('./inspectCheckpoint.ts')).inspectCheckpoint(path, choice)
  refuseBuildOptions(choice)
  return (await import('./inspectRunFolder.ts')).inspectRunFolder(path)
}

/** The sections that were asked for; without any, the overview. */
async function textsOf(inspected: Inspected, asked: Sections): Promise<string[]> {
  const texts: string[] = []
  if (asked.metadata) texts.push(printTable(inspected.metadata))
  if (asked.tensors) texts.push(printTensors(inspected))
  if (asked.graph) {
    const { printGraph } = await import('../ir/print.ts')
    const { graph, optimized } = inspected.compiled()
    texts.push(printGraph(asked.optimized ? optimized : graph))
  }
  if (asked.memory) {
    const { printMemory } = await import('./printMemory.ts')
    texts.push(printMemory(inspected.compiled().plan))
  }
  if (asked.kernels) {
    const { printKernels } = await import('./printKernels.ts')
    texts.push(printKernels(inspected.compiled().programs))
  }
  if (asked.chat) texts.push(printChat(inspected))
  return texts.length > 0 ? texts : [printOverview(inspected.overview())]
}

async function jsonOf(inspected: Inspected, asked: Sections): Promise<object> {
  const parts: Record<string, unknown> = { ...inspected.overview() }
  if (asked.metadata) parts.metadata = Object.fromEntries(inspected.metadata)
  if (asked.tensors) parts.tensors = inspected.tensors
  if (asked.chat) parts.chatTemplate = inspected.chat() ?? null
  if (asked.graph || asked.memory || asked.kernels) {
    const { graph, optimized, programs, plan } = inspected.compiled()
    if (asked.graph) parts.graph = asked.optimized ? optimized : graph
    if (asked.memory) parts.layout = plan
    if (asked.kernels) {
      const { costOf, totalOf } = await import('./printKernels.ts')
      const { callsOf } = await import('../plan/program.ts')
      parts.kernels = programs.map(({ mode, bounds, steps }) => ({
        ...{ mode, bounds, total: totalOf(steps, bounds) },
        calls: [...callsOf(steps)].map(({ call: { name, kernel, dims }, repeat }, i, all) => ({
          ...{ name, kernel, dims, times: repeat?.count ?? 1, ...costOf(all[i]!.call, bounds) },
        })),
      }))
    }
  }
  return parts
}

/** The template as it stands, then its contract. */
function printChat(inspected: Inspected): string {
  const artifact = inspected.chat()
  if (!artifact) return 'no chat template\n'
  const { where, template, contract, reason = '' } = artifact
  const said = contract ? JSON.stringify(contract, null, 1) : `no contract: ${reason}`
  return `${where}:\n${template.trimEnd()}\n\n${said}\n`
}

function printTensors({ tensors }: Inspected): string {
  const rows = tensors.map(({ name, dtype, shape, bytes, offset, where }) => [
    ...[name, dtype, `[${shape.join(', ')}]`, offset, bytes, where],
  ])
  return printTable([['name', 'type', 'shape', 'offset', 'bytes', ''], ...rows])
}

function printOverview(overview: Overview): string {
  const { name, source, architecture, target, strict, parameters, bytes, dtypes, tokenizer, memory, refusal } = overview
  const rows: [string, string][] = [
    ['name', name],
    ['architecture', `${architecture} (${source})`],
  ]
  const add = (label: string, value: string | number | undefined) => {
    if (value !== undefined) rows.push([label, String(value)])
  }
  add('built for', target && `${target}${strict ? ', strict f32' : ''}`)
  add('parameters', parameters.toLocaleString('en-US'))
  add('weights', formatBytes(bytes))
  for (const row of dtypes) add(`  ${row.dtype}`, `${row.tensors} tensors, ${formatBytes(row.bytes)}`)
  add('tokenizer', tokenizer)
  add('chat', overview.chat)
  add('vocabulary', overview.vocabulary)
  add('layers', overview.layers)
  add('context', overview.context)
  if (memory) {
    const { weights, perContext, context } = memory
    const mapped = `${formatBytes(weights)} of mapped weights`
    add('memory', `${mapped}, and ${formatBytes(perContext)} per context of ${context} tokens (${memory.target})`)
  }
  add('cannot be built', refusal)
  return printTable(rows)
}
