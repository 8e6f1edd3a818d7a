/** The C functions that read a profile build's counters, called through koffi. What they mean is written in ck.h. */
import koffi from 'koffi'
import { type Answer, answer, type Native, nothing, type Pointer } from './native.ts'

/** `ck_site`: a place in the program that is counted. */
export interface SiteName {
  readonly mode: string
  readonly layer: string
  readonly kernel: string
  readonly value: string
}

/** `ck_counter`: what one thread has spent at one site. */
export interface Counter {
  readonly calls: number
  readonly nanoseconds: number
  readonly cycles: number
  readonly instructions: number
  readonly cacheMisses: number
}

/** `ck_event`: one passage of a thread through a site. Nanoseconds of the system's steady clock. */
export interface SiteEvent {
  readonly start: bigint
  readonly nanoseconds: number
  readonly site: number
}

/** Events of one thread in the order of their ends; `dropped` more came when the buffer was full. */
export interface SiteEvents {
  readonly events: readonly SiteEvent[]
  readonly dropped: number
}

/** The profile functions of ck.h with JavaScript's types. */
export interface ProfileLibrary {
  /** Empty: no profile build. */
  modelSites(model: Pointer): readonly SiteName[]
  contextProfile(context: Pointer, thread: number, sites: number): Answer<readonly Counter[]>
  contextEvents(context: Pointer, thread: number): Answer<SiteEvents>
  contextProfileReset(context: Pointer): Answer<void>
  /** Why the system counts no cycles; undefined where it does. */
  contextHardware(context: Pointer): string | undefined
}

const siteType = koffi.struct({ mode: 'str', layer: 'str', kernel: 'str', value: 'str' })
/** uint64 values of a `ck_counter`, int64 values of a `ck_event`. */
const counterValues = 5
const eventValues = 3

/** Binds the functions; `native` finds one by its name. */
export function bindProfile(native: (name: string, result: string, parameters: string[]) => Native): ProfileLibrary {
  const any = 'void *'
  const modelSites = native('ck_model_sites', 'int32_t', [any, any])
  const contextProfile = native('ck_context_profile', 'int', [any, 'int32_t', any, 'int32_t', any])
  const events = native('ck_context_profile_events', 'int', [any, 'int32_t', any, 'int64_t', any, any, any])
  const reset = native('ck_context_profile_reset', 'int', [any, any])
  const hardware = native('ck_context_profile_hardware', 'str', [any])
  return {
    modelSites(model) {
      const out = new BigUint64Array(1)
      const count = Number(modelSites(model, out))
      return count === 0 ? [] : (koffi.decode(out[0]!, koffi.array(siteType, count)) as SiteName[])
    },
    contextProfile(context, thread, sites) {
      const values = new BigUint64Array(counterValues * sites)
      return answer(contextProfile, [context, thread, values, sites], () => readCounters(values))
    },
    contextEvents(context, thread) {
      const count = new BigInt64Array(1)
      const dropped = new BigInt64Array(1)
      const read = (values: BigInt64Array) => {
        const capacity = values.length / eventValues
        return answer(events, [context, thread, values, capacity, count, dropped], () => ({
          events: readEvents(values),
          dropped: Number(dropped[0]),
        }))
      }
      const asked = read(new BigInt64Array(0))
      return asked.status === 'ok' ? read(new BigInt64Array(eventValues * Number(count[0]))) : asked
    },
    contextProfileReset: (context) => answer(reset, [context], nothing),
    contextHardware: (context) => (hardware(context) as unknown as string | null) ?? undefined,
  }
}

function readCounters(values: BigUint64Array): readonly Counter[] {
  return Array.from({ length: values.length / counterValues }, (_, site) => {
    const at = (field: number) => Number(values[counterValues * site + field])
    return { calls: at(0), nanoseconds: at(1), cycles: at(2), instructions: at(3), cacheMisses: at(4) }
  })
}

function readEvents(values: BigInt64Array): readonly SiteEvent[] {
  return Array.from({ length: values.length / eventValues }, (_, i) => {
    const [start = 0n, nanoseconds, site] = values.subarray(eventValues * i, eventValues * (i + 1))
    return { start, nanoseconds: Number(nanoseconds), site: Number(site) }
  })
}
