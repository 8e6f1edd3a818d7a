import { crc32 } from 'node:zlib'
import { fail } from '../../base/errors.ts'
import { asJsonObject, isJsonObject, type JsonObject, parseJson } from '../../formats/parseJson.ts'
import type { SafetensorsHeader } from '../../formats/safetensors.ts'
import { bytesOfTensor, storedDtype, storedName, type TrainingFacts, type TrainingTensor } from './trainingState.ts'

/** What the metadata of a checkpoint names as its format. */
const format = 'c-kernel-engine training checkpoint'
const version = '1'
const acceptedText = `a ${format}, version ${version}`

/** One row of the table that the header's own sum is taken over. */
type Row = readonly [name: string, dtype: string, shape: readonly number[], crc32: string]

/**
 * The `__metadata__` of a checkpoint: the facts, the CRC-32 of every tensor's bytes, and one over all of these, for a changed
 * byte of the header must be found too.
 */
export function encodeMetadata(facts: TrainingFacts, tensors: readonly TrainingTensor[]): Record<string, string> {
  const rows = tensors.map((tensor): Row => {
    const sum = hex(crc32(bytesOfTensor(tensor)))
    return [storedName(tensor), storedDtype(tensor), tensor.shape, sum]
  })
  const text = JSON.stringify(facts)
  const sums = Object.fromEntries(rows.map(([name, , , sum]) => [name, sum]))
  return { format, version, facts: text, crc32: JSON.stringify(sums), check: checkOf(text, rows) }
}

/** The metadata of a checkpoint, read. */
export interface CheckpointHeader {
  readonly facts: TrainingFacts
  /** By the tensor's name in the file, 8 hex digits. */
  readonly sums: ReadonlyMap<string, string>
}

/** Whether a safetensors file says that it is a training checkpoint. */
export const isTrainingCheckpoint = ({ metadata }: Pick<SafetensorsHeader, 'metadata'>) =>
  metadata.get('format') === format

/** Reads the metadata of a checkpoint and compares the header with its sum. Refuses `file_malformed`. */
export function decodeMetadata(path: string, { metadata, tensors }: SafetensorsHeader): CheckpointHeader {
  if (!isTrainingCheckpoint({ metadata }) || metadata.get('version') !== version) {
    const found = isTrainingCheckpoint({ metadata }) ? `version ${metadata.get('version')}` : 'no training checkpoint'
    fail('file_malformed', { path, what: `the file is ${found}`, accepted: acceptedText })
  }
  const text = metadata.get('facts') ?? ''
  const json = objectOf(path, metadata.get('crc32'), 'crc32')
  const sums = new Map(Object.entries(json).map(([name, sum]) => [name, String(sum)]))
  const rows = [...tensors.values()].map(
    ({ name, dtype, shape }): Row => [name, dtype, shape, sums.get(name) ?? 'missing'],
  )
  if (sums.size !== tensors.size || metadata.get('check') !== checkOf(text, rows)) {
    fail('file_malformed', { path, what: 'the header is not the one that was written', accepted: 'a whole file' })
  }
  return { facts: readFacts(path, text), sums }
}

/** CRC-32 as it stands in a file. */
export const hex = (sum: number) => sum.toString(16).padStart(8, '0')

/** Rows count in the order of their names, which is the same wherever they lie. */
function checkOf(facts: string, rows: readonly Row[]): string {
  const sorted = rows.toSorted(([a], [b]) => (a < b ? -1 : 1))
  return hex(crc32(JSON.stringify([format, version, facts, sorted])))
}

function objectOf(path: string, text: string | undefined, key: string): JsonObject {
  const what = `'${key}' of the metadata`
  return asJsonObject(path, text === undefined ? undefined : parseJson(path, text, what), what)
}

/** The sum of the header has been compared: what is wrong here was written so. */
function readFacts(path: string, text: string): TrainingFacts {
  const json = objectOf(path, text, 'facts')
  const isFacts =
    [json.step, json.tokens].every(isCount) &&
    [json.data, json.seeds, json.sizes, json.loop].every(isJsonObject) &&
    [json.config, json.template].every((item) => typeof item === 'string')
  if (!isFacts) fail('file_malformed', { path, what: "'facts' of the metadata lacks some", accepted: acceptedText })
  return json as unknown as TrainingFacts
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0
