import { fail } from '../base/errors.ts'
import type { Graph } from '../ir/graph.ts'
import { verifyGraph } from '../ir/verify.ts'
import { ops } from '../ops/registry.ts'
import { chooseDtypes } from './chooseDtypes.ts'
import { dropDead } from './dropDead.ts'
import { fuseGlu } from './fuseGlu.ts'
import { fuseLinearGlu } from './fuseLinearGlu.ts'
import { fuseResidualNorm } from './fuseResidualNorm.ts'
import { type CacheOptions, insertCache } from './insertCache.ts'
import { insertStates } from './insertStates.ts'
import { mergeProducts } from './mergeProducts.ts'
import { quantizeActivations } from './quantizeActivations.ts'

export interface OptimizeOptions {
  readonly cache: CacheOptions
  /** Compute in f32 whatever the weights. */
  readonly strict: boolean
}

/**
 * The passes in order. Dead nodes go first, for a value that they read looks needed and would get a cache or escape a
 * fusion; no later pass leaves one. Dtypes come before the fusions, which join only weights of one dtype.
 */
export const passes: readonly { name: string; run: (graph: Graph, options: OptimizeOptions) => Graph }[] = [
  { name: 'dropDead', run: dropDead },
  { name: 'insertCache', run: (graph, { cache }) => insertCache(graph, cache) },
  { name: 'insertStates', run: (graph, { cache }) => insertStates(graph, cache) },
  { name: 'chooseDtypes', run: (graph, { strict }) => chooseDtypes(graph, { strict }) },
  { name: 'fuseGlu', run: fuseGlu },
  { name: 'fuseLinearGlu', run: fuseLinearGlu },
  { name: 'mergeProducts', run: mergeProducts },
  { name: 'fuseResidualNorm', run: fuseResidualNorm },
  { name: 'quantizeActivations', run: quantizeActivations },
]

/** Runs all passes; the graph is verified after each, and a refusal says which pass broke it. */
export function optimize(graph: Graph, options: OptimizeOptions): Graph {
  return passes.reduce(
    (before, { name, run }) => {
      const after = run(before, options)
      try {
        return verifyGraph(after, ops)
      } catch (error) {
        return fail('graph_invalid', {
          where: `after pass ${name}`,
          what: error instanceof Error ? error.message : String(error),
        })
      }
    },
    verifyGraph(graph, ops),
  )
}
