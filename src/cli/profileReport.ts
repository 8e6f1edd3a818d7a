import type { Counter, Profile, SiteEvent, SiteName } from '../run/session.ts'
import { printTable } from './printTable.ts'

/** A complete event of the Trace Event Format; times in microseconds. */
interface TraceEvent {
  readonly name: string
  readonly cat: string
  readonly ph: 'X'
  readonly ts: number
  readonly dur: number
  readonly pid: 0
  readonly tid: number
  readonly args?: { readonly [name: string]: string | number }
}

/**
 * trace.json for Perfetto and chrome://tracing (Trace Event Format): a track per thread, and in it nested steps, layers, and
 * kernel calls and waits. Times begin with the first event.
 */
export function printTrace(name: string, sites: readonly SiteName[], { events: threads }: Profile): string {
  const starts = threads.flatMap(({ events }) => events.map(({ start }) => start))
  const first = starts.reduce((least, start) => (start < least ? start : least), starts[0] ?? 0n)
  const metadata = [
    { name: 'process_name', ph: 'M', pid: 0, args: { name } },
    ...threads.map((_, tid) => ({ name: 'thread_name', ph: 'M', pid: 0, tid, args: { name: `thread ${tid}` } })),
  ]
  const complete = threads.flatMap(({ events }, tid) => nestEvents(sites, events, tid, first))
  const lines = [...metadata, ...complete].map((event) => JSON.stringify(event))
  const dropped = threads.map((thread) => thread.dropped)
  return `{"displayTimeUnit":"ns","otherData":${JSON.stringify({ dropped })},"traceEvents":[\n${lines.join(',\n')}\n]}\n`
}

/** The events of one thread, steps and layers before what is in them. */
function nestEvents(
  sites: readonly SiteName[],
  events: readonly SiteEvent[],
  tid: number,
  first: bigint,
): readonly TraceEvent[] {
  const complete: TraceEvent[] = []
  let step: TraceEvent[] = []
  let layer: SiteEvent[] = []
  let round = 0
  const add = (
    to: TraceEvent[],
    name: string,
    cat: string,
    from: SiteEvent,
    until: SiteEvent,
    args?: TraceEvent['args'],
  ) => {
    const ts = Number(from.start - first)
    const end = Number(until.start - first) + until.nanoseconds
    to.push({ name, cat, ph: 'X', ts: ts / 1000, dur: (end - ts) / 1000, pid: 0, tid, ...(args ? { args } : {}) })
  }
  const closeLayer = () => {
    if (layer.length === 0) return
    add(step, `${sites[layer[0]!.site]!.layer} ${round}`, 'layer', layer[0]!, layer.at(-1)!)
    for (const event of layer) addSite(event)
    layer = []
    round++
  }
  const addSite = (event: SiteEvent) => {
    const { kernel, value } = sites[event.site]!
    add(step, kernel, kernel === 'wait' ? 'wait' : 'kernel', event, event, { value })
  }
  for (const event of events) {
    const site = sites[event.site]!
    // A round begins with a site that it passes once: pieces are claimed between two barriers of a round.
    const begun = layer[0]
    if (begun && (site.layer !== sites[begun.site]!.layer || event.site === begun.site)) closeLayer()
    if (site.kernel === 'step') {
      add(complete, site.mode, 'step', event, event)
      complete.push(...step)
      step = []
      round = 0
    } else if (site.layer === '') addSite(event)
    else layer.push(event)
  }
  // A step that the buffer had no room for is left out as a whole.
  return complete
}

/** Folded stacks, `mode;layer;kernel;value nanoseconds`, summed over steps, rounds and threads. */
export function printStacks(sites: readonly SiteName[], { counters }: Profile): string {
  return sites
    .flatMap(({ mode, layer, kernel, value }, site) => {
      const nanoseconds = counters.reduce((sum, thread) => sum + thread[site]!.nanoseconds, 0)
      if (kernel === 'step' || nanoseconds === 0) return []
      const frames = [mode, layer, kernel, value].filter((frame) => frame !== '')
      return `${frames.map((frame) => frame.replaceAll(';', ',')).join(';')} ${nanoseconds}\n`
    })
    .join('')
}

/** What was recorded, per mode; cycles, instructions and cache misses where the system counts them. */
export interface ProfileSummary {
  readonly threads: number
  /** Kept in the trace; those that found the buffer full are dropped, the sums count them all the same. */
  readonly events: number
  readonly dropped: number
  /** Why there is no `hardware`; null where there is. */
  readonly hardwareRefusal: string | null
  readonly modes: readonly {
    readonly mode: string
    readonly steps: number
    readonly secondsPerStep: number
    /** Per step, of all threads. */
    readonly hardware: { readonly cycles: number; readonly instructions: number; readonly cacheMisses: number } | null
  }[]
}

/** Sums a profile up. */
export function summarize(sites: readonly SiteName[], { counters, events, hardwareRefusal }: Profile): ProfileSummary {
  const modes = sites.flatMap(({ mode, kernel }, site) => {
    const own = counters.map((thread) => thread[site]!)
    const steps = own[0]!.calls
    if (kernel !== 'step' || steps === 0) return []
    const total = (field: keyof Counter) => own.reduce((sum, counter) => sum + counter[field], 0)
    const perStep = (field: keyof Counter) => total(field) / steps
    const hardware = {
      cycles: perStep('cycles'),
      instructions: perStep('instructions'),
      cacheMisses: perStep('cacheMisses'),
    }
    const secondsPerStep = perStep('nanoseconds') / counters.length / 1e9
    return [{ mode, steps, secondsPerStep, hardware: hardwareRefusal === undefined ? hardware : null }]
  })
  return {
    threads: counters.length,
    events: events.reduce((sum, thread) => sum + thread.events.length, 0),
    dropped: events.reduce((sum, thread) => sum + thread.dropped, 0),
    hardwareRefusal: hardwareRefusal ?? null,
    modes,
  }
}

/** The summary for people. */
export function printSummary(summary: ProfileSummary & { readonly dir: string }): string {
  const { dir, threads, events, dropped, hardwareRefusal, modes } = summary
  const rows = modes.map(({ mode, steps, secondsPerStep, hardware }) => [
    ...[mode, `${steps} step${steps === 1 ? '' : 's'}`, `${(1000 * secondsPerStep).toFixed(3)} ms per step`],
    ...(hardware
      ? [
          `${millions(hardware.cycles)} M cycles`,
          `${millions(hardware.instructions)} M instructions`,
          `${millions(hardware.cacheMisses)} M cache misses`,
        ]
      : []),
  ])
  return [
    `${dir}/trace.json: ${events} events of ${threads} thread${threads === 1 ? '' : 's'}`,
    dropped > 0 ? `, ${dropped} more found the buffer full (fewer tokens are kept whole)\n` : '\n',
    `${dir}/stacks.folded: nanoseconds per mode, layer, kernel and value\n\n`,
    printTable(rows),
    hardwareRefusal === null ? '' : `cycles, instructions and cache misses: not counted; ${hardwareRefusal}\n`,
  ].join('')
}

const millions = (value: number) => (value / 1e6).toFixed(1)
