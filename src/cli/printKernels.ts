import { bytesOf, dtypes } from '../base/dtypes.ts'
import type { Kernel } from '../kernels/kernel.ts'
import { kernels } from '../kernels/registry.ts'
import type { Barrier, Call, Program, Step } from '../plan/program.ts'
import { formatBytes } from './formatBytes.ts'
import { printTable } from './printTable.ts'

/** What one kernel call costs at the largest step of its program. */
export interface KernelCost {
  readonly flops: number
  /** Of all arguments as declared: a cache counts whole. */
  readonly bytes: number
}

/** The calls of each program in order, with sizes, cost and barriers, and what a step costs in all. */
export function printKernels(programs: readonly Program[]): string {
  return programs.map(printProgram).join('\n')
}

function printProgram(program: Program): string {
  const { mode, bounds, steps } = program
  const symbols = Object.entries(bounds).map(([symbol, value]) => `${symbol} = ${value}`)
  const rows: (string | number)[][] = []
  for (const step of steps) {
    if (step.kind === 'repeat') {
      rows.push([`${step.count} times:`])
      rows.push(...step.body.map((inner) => printStep(inner, bounds, '    ')))
      rows.push(['again'])
    } else rows.push(printStep(step, bounds, '  '))
  }
  const { flops, bytes, barriers } = totalOf(steps, bounds)
  const total = `${count(flops)} operations, ${formatBytes(bytes)} touched, ${barriers} barriers`
  return `${mode} (${symbols.join(', ')})\n${printTable(rows)}total: ${total}\n`
}

function printStep(step: Call | Barrier, bounds: Program['bounds'], indent: string): string[] {
  if (step.kind === 'barrier') return [`${indent}-- barrier`]
  const { flops, bytes } = costOf(step, bounds)
  const dims = Object.entries(step.dims).map(([dim, value]) => `${dim} ${value}`)
  return [indent + step.name, step.kernel, `${count(flops)} op`, formatBytes(bytes), dims.join(', ')]
}

/** Operations, bytes and barriers of a whole step, repeats counted as often as they run. */
export function totalOf(steps: readonly Step[], bounds: Program['bounds']): KernelCost & { readonly barriers: number } {
  const total = { flops: 0, bytes: 0, barriers: 0 }
  for (const step of steps) {
    const times = step.kind === 'repeat' ? step.count : 1
    for (const inner of step.kind === 'repeat' ? step.body : [step]) {
      if (inner.kind === 'barrier') total.barriers += times
      else {
        const cost = costOf(inner, bounds)
        total.flops += times * cost.flops
        total.bytes += times * cost.bytes
      }
    }
  }
  return total
}

/** The cost of one call. */
export function costOf(call: Call, bounds: Program['bounds']): KernelCost {
  const kernel = kernels.get(call.kernel)
  if (!kernel) return { flops: 0, bytes: 0 }
  const dims = Object.fromEntries(
    Object.entries(call.dims).map(([dim, value]) => [dim, typeof value === 'number' ? value : (bounds[value] ?? 0)]),
  )
  return { flops: kernel.flops(dims), bytes: argumentBytes(kernel, call, dims) }
}

function argumentBytes(kernel: Kernel, call: Call, dims: { readonly [dim: string]: number }): number {
  let bytes = 0
  for (const [name, { shape, dtype }] of Object.entries(kernel.buffers)) {
    if (call.buffers[name] === null) continue
    const elements = shape.reduce<number>((product, dim) => product * (typeof dim === 'number' ? dim : dims[dim]!), 1)
    const { blockElements } = dtypes[dtype]
    bytes += bytesOf(dtype, Math.ceil(elements / blockElements) * blockElements) ?? 0
  }
  return bytes
}

const prefixes = ['', ' k', ' M', ' G', ' T'] as const

function count(value: number): string {
  const step = value < 1000 ? 0 : Math.min(prefixes.length - 1, Math.floor(Math.log10(value) / 3))
  return step === 0 ? String(Math.round(value)) : `${(value / 1000 ** step).toFixed(1)}${prefixes[step]}`
}
