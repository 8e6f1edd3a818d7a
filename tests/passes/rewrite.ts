import type { Graph } from '../../src/ir/graph.ts'
import { parseGraph } from '../../src/ir/parse.ts'
import { printGraph } from '../../src/ir/print.ts'
import { verifyGraph } from '../../src/ir/verify.ts'
import { ops } from '../../src/ops/registry.ts'

/** A verified graph from its text without the `graph` line. */
export function graphOf(text: string): Graph {
  return verifyGraph(parseGraph(`graph test\n${text}`), ops)
}

/** The text that a pass makes of a text: verified, without the `graph` line and indentation. */
export function rewrite(pass: (graph: Graph) => Graph, text: string): string {
  return printGraph(verifyGraph(pass(graphOf(text)), ops)).replace('graph test\n', '')
}

/** The lines of a template string without indentation and empty lines, as `rewrite` gives them. */
export function lines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => `${line}\n`)
    .join('')
}
