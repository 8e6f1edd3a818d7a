import type { ChatTurn } from '../../chat/contract.ts'

/** Where a document stands, for messages and reports. */
export interface Place {
  /** The path as it was given. */
  readonly path: string
  /** The file's own name: what a report may say on every machine. */
  readonly name: string
  readonly unit: 'byte' | 'line' | 'token'
  readonly at: number
}

/** What inputs are made of. `isRunning`: it has no ends of its own, so it may be cut. */
export type Document =
  | { readonly kind: 'bytes'; readonly place: Place; readonly bytes: Uint8Array; readonly isRunning: boolean }
  | { readonly kind: 'text'; readonly place: Place; readonly text: string }
  | { readonly kind: 'chat'; readonly place: Place; readonly turns: readonly ChatTurn[] }
  | {
      readonly kind: 'ids'
      readonly place: Place
      readonly ids: Int32Array
      /** [ids] 1 where a token may be learnt; absent: everywhere. */
      readonly loss?: Uint8Array
      /** Bytes of an id in its file. */
      readonly idBytes: number
      readonly isRunning: boolean
    }
  | { readonly kind: 'long'; readonly place: Place; readonly bytes: number }

/** The place for a report. */
export function reportPlace({ name, unit, at }: Place): string {
  return unit === 'line' ? `${name}:${at}` : `${name} at ${unit} ${at}`
}

/** The path of a refusal: a file, and the line where it has lines. */
export function placePath({ path, unit, at }: Place): string {
  return unit === 'line' ? `${path}:${at}` : path
}
