import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { type ChatArtifact, readChatArtifact } from '../chat/chatArtifact.ts'
import type { Graph } from '../ir/graph.ts'
import type { MemoryPlan } from '../plan/planMemory.ts'
import type { Program } from '../plan/program.ts'
import { countDtypes, describedChat, elementsOf, type Inspected, type TensorRow } from './inspected.ts'
import { readArtifact, readManifest } from './readRunFolder.ts'

/** Looks into a run folder through the artifacts that its build left there. */
export function inspectRunFolder(dir: string): Inspected {
  const manifest = readManifest(dir)
  const { weights } = readLayout(dir)
  const graph = readGraph(dir, 'ir1.json')
  const tensors = weights.map(({ name, dtype, rows, cols, parts, bytes, offset, layout }): TensorRow => {
    const shape = rows === 1 ? [cols] : [rows * parts.length, cols]
    return { name, dtype, shape, bytes, offset, where: layout }
  })
  const { name, template, target, strict, context, vocabulary, hasTokenizer, weightsBytes, memoryBytes } = manifest
  return {
    overview: () => ({
      ...{ name, source: 'run folder', architecture: template, target, strict },
      parameters: graph.weights.reduce((sum, { type }) => sum + elementsOf(type.shape.map(Number)), 0),
      bytes: weightsBytes,
      dtypes: countDtypes(tensors),
      tokenizer: hasTokenizer ? 'compiled into weights.bump' : 'none',
      ...describedChat(readChat(dir)),
      ...{ vocabulary, context },
      memory: { target, context, weights: weightsBytes, perContext: memoryBytes },
    }),
    tensors,
    metadata: Object.entries(manifest).flatMap(([key, value]) =>
      typeof value === 'object' ? [] : [[key, JSON.stringify(value)] as const],
    ),
    chat: () => readChat(dir),
    compiled: () => ({
      graph,
      optimized: readGraph(dir, 'ir1_optimized.json'),
      programs: programFiles(dir).map((file) => readProgram(dir, file)),
      plan: readLayout(dir),
    }),
    close: () => {},
  }
}

function readChat(dir: string): ChatArtifact | undefined {
  return existsSync(join(dir, 'chat.json')) ? readChatArtifact(readArtifact(dir, 'chat.json'), dir) : undefined
}

/** In the order that they ran through the planner: prefill before decode. */
function programFiles(dir: string): string[] {
  return readdirSync(dir)
    .filter((name) => /^lowered_\w+\.json$/.test(name))
    .toSorted((a, b) => (a > b ? -1 : 1))
}

// The build wrote these files itself, so only their outlines are checked.
function readGraph(dir: string, name: string): Graph {
  return readOutlined(dir, name, ['inputs', 'weights', 'states', 'nodes', 'outputs']) as unknown as Graph
}

function readProgram(dir: string, name: string): Program {
  return readOutlined(dir, name, ['buffers', 'weights', 'steps']) as unknown as Program
}

function readLayout(dir: string): MemoryPlan {
  return readOutlined(dir, 'layout.json', ['weights']) as unknown as MemoryPlan
}

function readOutlined(dir: string, name: string, lists: readonly string[]): ReturnType<typeof readArtifact> {
  const value = readArtifact(dir, name)
  for (const list of lists) {
    if (!Array.isArray(value[list])) fail('run_folder_invalid', { dir, what: `${name} has no list '${list}'` })
  }
  return value
}
