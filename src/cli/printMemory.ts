import type { MemoryPlan } from '../plan/planMemory.ts'
import { formatBytes } from './formatBytes.ts'
import { printTable } from './printTable.ts'

/** Every weight and every buffer with its place; lifetimes are numbers of calls of its program. */
export function printMemory(plan: MemoryPlan): string {
  const { weights, weightsBytes, stateBytes, memoryBytes, buffers } = plan
  const weightRows = weights.map(({ name, dtype, layout, rows, cols, bytes, offset }) => [
    ...[offset, bytes, `  ${dtype} ${rows} x ${cols}`, layout, name],
  ])
  const parts = [
    `weights: ${formatBytes(weightsBytes)}\n`,
    printTable([['offset', 'bytes', '  type', 'layout', 'name'], ...weightRows]),
  ]
  const states = `${formatBytes(stateBytes)} of states`
  parts.push(`\ncontext: ${formatBytes(memoryBytes)}, with ${states}\n`)
  for (const [mode, placed] of Object.entries(buffers)) {
    const rows = placed
      .toSorted((a, b) => a.offset - b.offset || a.first - b.first)
      .map(({ name, region, dtype, shape, bytes, offset, first, last }) => [
        ...[offset, bytes, `  ${region}`, region === 'activation' ? `${first}-${last}` : 'always'],
        ...[`${dtype}[${shape.join(', ')}]`, name],
      ])
    parts.push(`\n${mode}\n`, printTable([['offset', 'bytes', '  region', 'alive', 'type', 'value'], ...rows]))
  }
  return parts.join('')
}
