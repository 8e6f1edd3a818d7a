import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { isBlockDtype } from '../../src/base/dtypes.ts'
import { type CompileOptions, compile } from '../../src/compile.ts'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { tensor } from '../../src/ir/tensor.ts'
import { compareTensors } from '../../src/parity/difference.ts'
import { load, type Model } from '../../src/run/session.ts'

const goldens = fileURLToPath(new URL('./goldens/', import.meta.url))

/** The folder beside the repository with real data; tests that need it skip where it is absent. */
export const shared = fileURLToPath(new URL('../../../shared/', import.meta.url))
export const hasShared = existsSync(join(shared, 'data'))

/** A recorded reference: the checkpoint, its ids and float64 logits [ids, vocabulary]. */
export interface Golden {
  readonly name: string
  readonly checkpoint: string
  /** Whether a weight is in blocks, so that activations are quantised. */
  readonly isQuantised: boolean
  readonly ids: readonly number[]
  readonly logits: Float64Array
}

/** The names of all recorded references. */
export function goldenNames(): readonly string[] {
  return readdirSync(goldens, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted()
}

export function readGolden(name: string): Golden {
  const dir = join(goldens, name)
  const gguf = readdirSync(dir).find((file) => file.endsWith('.gguf'))
  const file = readFileSync(join(dir, 'logits.safetensors'))
  const headerBytes = Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerBytes)) as Record<
    string,
    { data_offsets: [number, number] }
  >
  const bytes = (key: string) => {
    const [from, to] = header[key]!.data_offsets
    return Uint8Array.from(file.subarray(8 + headerBytes + from, 8 + headerBytes + to)).buffer
  }
  const path = gguf ? join(dir, gguf) : dir
  const checkpoint = openCheckpoint(path)
  const isQuantised = [...checkpoint.tensors.values()].some(({ dtype }) => isBlockDtype(dtype))
  checkpoint.close()
  return {
    name,
    checkpoint: path,
    isQuantised,
    ids: [...new Int32Array(bytes('ids'))],
    logits: new Float64Array(bytes('logits')),
  }
}

/** Compiles into a fresh folder and loads it. When the test is over the model is closed and the folder gone. */
export async function build(checkpoint: string, options: Omit<CompileOptions, 'out'> = {}): Promise<Model> {
  const dir = mkdtempSync(join(tmpdir(), 'ck-parity-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  const out = join(dir, 'run')
  await compile(checkpoint, { out, ...options })
  const model = await load(out)
  onTestFinished(() => model.close())
  return model
}

/** Mean squared error over mean square. */
export function nmseOf(expected: Float64Array, found: Float32Array | Float64Array): number {
  return compareTensors(tensor([expected.length], expected), tensor([found.length], Float64Array.from(found))).nmse
}
