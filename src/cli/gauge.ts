import { CkError } from '../base/errors.ts'
import type { ProbedRate, Resource } from '../build/probe.ts'

/** What this machine could do with so many threads at that moment; null where it was not measured. */
export type Limits = Readonly<Record<Resource, ProbedRate | null>>

/** Measures limits between other measurements, for a machine that is shared does not keep them for a minute. */
export interface Gauge {
  /** Why every limit is null, if so. */
  readonly reason?: string
  limits(threads: number): Promise<Limits>
  close(): Promise<void>
}

const none: Limits = { read: null, f32: null, int8: null }

/** Measures nothing. */
export const noGauge: Gauge = { limits: async () => none, close: async () => {} }

/** What was measured several times while the same work was done: the best of all, and the mean over it. */
export function joinLimits(measured: readonly Limits[]): Limits {
  const join = (resource: Resource): ProbedRate | null => {
    const rates = measured.flatMap((limits) => limits[resource] ?? [])
    if (rates.length === 0) return null
    const seconds = rates.reduce((sum, { mean }) => sum + 1 / mean, 0)
    return { best: Math.max(...rates.map(({ best }) => best)), mean: rates.length / seconds }
  }
  return { read: join('read'), f32: join('f32'), int8: join('int8') }
}

/** A gauge of these resources; one that measures nothing where no probe can be compiled. Refuses `aborted`. */
export async function openGauge(resources: readonly Resource[], signal?: AbortSignal): Promise<Gauge> {
  const { openProbe } = await import('../build/probe.ts')
  try {
    const probe = await openProbe({ signal })
    const limits = async (threads: number) => {
      const measured: Partial<Record<Resource, ProbedRate>> = {}
      for (const resource of resources) measured[resource] = await probe.rate(resource, threads)
      return { ...none, ...measured }
    }
    return { limits, close: () => probe.close() }
  } catch (error) {
    if (!(error instanceof CkError) || error.code === 'aborted') throw error
    const reason = error.code === 'compiler_missing' ? 'measuring needs a C compiler' : error.message
    return { ...noGauge, reason }
  }
}
