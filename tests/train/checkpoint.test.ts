import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { CkError } from '../../src/base/errors.ts'
import { partialName } from '../../src/formats/writeBeside.ts'
import { writeSafetensors } from '../../src/formats/writeSafetensors.ts'
import { openTraining } from '../../src/train/checkpoint/openTraining.ts'
import { isTrained, newestWhole, resumeTraining } from '../../src/train/checkpoint/resumeTraining.ts'
import { saveCheckpoint } from '../../src/train/checkpoint/saveCheckpoint.ts'
import { bytesOfTensor, type TrainingTensor } from '../../src/train/checkpoint/trainingState.ts'
import { mutateBytes, specimen } from '../fuzz/mutateBytes.ts'
import { seededRandom } from '../fuzz/random.ts'
import { emptied, factsAt, tensorsOf } from './trainingState.ts'

const root = mkdtempSync(join(tmpdir(), 'ck-training-'))
afterAll(() => rmSync(root, { recursive: true }))

const repository = new URL('../../', import.meta.url)
let folders = 0
const fresh = () => join(root, `run-${folders++}`, 'checkpoints')
const save = (folder: string, step: number, keep = 3) =>
  saveCheckpoint(folder, factsAt(step), tensorsOf(step), { keep })
const names = (folder: string) => readdirSync(folder).toSorted()
const bytes = (tensors: readonly TrainingTensor[]) => tensors.map((tensor) => Buffer.from(bytesOfTensor(tensor)))
const flip = (path: string, at: number) => {
  const file = readFileSync(path)
  file[at] = file[at]! ^ 4
  writeFileSync(path, file)
}

describe('a training checkpoint', () => {
  it('gives back every bit of the tensors, and the facts', () => {
    const folder = fresh()
    const path = save(folder, 40)
    expect(names(folder)).toEqual(['step-00000040.safetensors'])
    const into = emptied(tensorsOf(40))
    expect(resumeTraining(folder, into, 'qwen3')).toEqual({ path, value: factsAt(40), passedOver: [] })
    expect(bytes(into)).toEqual(bytes(tensorsOf(40)))
  })

  it('has the same bytes whenever it is written', () => {
    const [one, other] = [fresh(), fresh()].map((folder) => readFileSync(save(folder, 8)))
    expect(one!.equals(other!)).toBe(true)
  })

  it('gives its weights alone to a training with another optimizer', () => {
    const checkpoint = openTraining(save(fresh(), 3))
    const weights = emptied(tensorsOf(3)).filter(({ kind }) => kind === 'weight')
    checkpoint.restore(weights, 'qwen3')
    checkpoint.close()
    expect(bytes(weights)).toEqual(bytes(tensorsOf(3)).slice(0, 2))
  })

  it('is kept as often as asked for, and none of a line that was left', () => {
    const folder = fresh()
    for (const step of [10, 20, 30, 40]) save(folder, step, 2)
    expect(names(folder)).toEqual(['step-00000030.safetensors', 'step-00000040.safetensors'])
    save(folder, 35, 2)
    expect(names(folder)).toEqual(['step-00000030.safetensors', 'step-00000035.safetensors'])
  })

  it('removes what dead processes left half written, and nothing of live ones', () => {
    const folder = fresh()
    mkdirSync(folder, { recursive: true })
    const dead = spawnSync(process.execPath, ['-e', '']).pid
    for (const id of [dead, process.ppid]) writeFileSync(join(folder, `step-00000009.safetensors.partial-${id}`), 'x')
    save(folder, 10)
    expect(names(folder)).toEqual([`step-00000009.safetensors.partial-${process.ppid}`, 'step-00000010.safetensors'])
  })
})

describe('resuming', () => {
  it('finds nothing in a folder without checkpoints, or none', () => {
    expect(resumeTraining(fresh(), tensorsOf(1), 'qwen3')).toBeUndefined()
  })

  it('passes over a newest one that is damaged or cut, and says why', () => {
    const folder = fresh()
    for (const step of [10, 20, 30]) save(folder, step)
    const [, second, newest] = names(folder).map((name) => join(folder, name))
    flip(newest!, readFileSync(newest!).length - 3)
    writeFileSync(second!, readFileSync(second!).subarray(0, 700))
    const into = emptied(tensorsOf(10))
    const found = resumeTraining(folder, into, 'qwen3')
    expect(found?.value.step).toBe(10)
    expect(bytes(into)).toEqual(bytes(tensorsOf(10)))
    expect(found?.passedOver[0]).toBe(
      `${newest}: the values of tensor 'optimizer.token_embd.weight.square' are damaged; accepted: a whole file`,
    )
    expect(found?.passedOver).toHaveLength(2)
    expect(newestWhole(folder)).toEqual(found)
  })

  it('refuses a folder where none is whole', () => {
    const folder = fresh()
    const path = save(folder, 5)
    flip(path, 20)
    expect(() => resumeTraining(folder, tensorsOf(5), 'qwen3')).toThrow(`${folder}: none of its 1 checkpoints is whole`)
  })

  it('reads the values of the last step alone to tell whether a training is done', () => {
    const folder = fresh()
    for (const step of [10, 20]) save(folder, step)
    const newest = join(folder, names(folder)[1]!)
    const { config } = factsAt(20)
    expect(isTrained(folder, { step: 20, config })).toBe(true)
    expect(isTrained(folder, { step: 20, config: 'cd'.repeat(32) })).toBe(false)
    flip(newest, readFileSync(newest).length - 3)
    expect(isTrained(folder, { step: 20, config })).toBe(false)
    // Values of the only checkpoint are damaged, which nobody reads while it is not of the last step.
    rmSync(newest)
    const other = join(folder, names(folder)[0]!)
    flip(other, readFileSync(other).length - 3)
    expect(isTrained(folder, { step: 20, config })).toBe(false)
    expect(() => isTrained(folder, { step: 10, config: factsAt(10).config })).toThrow(
      'none of its 1 checkpoints is whole',
    )
    expect(isTrained(fresh(), { step: 1, config })).toBe(false)
  })

  it('refuses a copy under the name of another step', () => {
    const folder = fresh()
    const path = save(folder, 5)
    copyFileSync(path, join(folder, 'step-00000006.safetensors'))
    const found = newestWhole(folder)
    expect(found?.path).toBe(path)
    expect(found?.passedOver[0]).toMatch(/00000006.safetensors: the file is of step 5; accepted: the step in its name$/)
  })

  const [embedding, norm, ...rest] = tensorsOf(7) as [TrainingTensor, TrainingTensor, ...TrainingTensor[]]
  const wider = { ...norm, shape: [5], data: new Float32Array(5) }
  const words = { ...norm, data: new Uint16Array(4) }
  it.each([
    [
      'of another shape',
      [embedding, wider, ...rest],
      /its tensor 'weight.blk.0.attn_norm.weight' is \[4\] in f32; accepted: \[5\] in f32$/,
    ],
    ['of another type', [embedding, words, ...rest], /attn_norm.weight' is \[4\] in f32; accepted: \[4\] in bf16$/],
    [
      'without a tensor',
      [embedding, { ...norm, name: 'other' }, ...rest],
      /it has no tensor 'weight.other'; accepted: \[4\]/,
    ],
    [
      'with one more',
      [embedding, ...rest],
      /it has a tensor 'weight.blk.0.attn_norm.weight'; accepted: the tensors of/,
    ],
  ] as const)('refuses a checkpoint %s in one sentence, and changes no byte', (_, tensors, message) => {
    const folder = fresh()
    save(folder, 7)
    const before = bytes(tensors)
    expect(() => resumeTraining(folder, tensors, 'qwen3')).toThrow(message)
    expect(bytes(tensors)).toEqual(before)
  })

  it('refuses a checkpoint of another template', () => {
    const folder = fresh()
    save(folder, 7)
    const action = () => resumeTraining(folder, tensorsOf(7), 'llama')
    expect(action).toThrow(
      /is a checkpoint of another training: it trains a model of template 'qwen3'; accepted: 'llama'/,
    )
  })

  it('refuses a safetensors file that is no checkpoint', () => {
    const path = join(root, 'plain.safetensors')
    writeSafetensors(path, [{ name: 'w', dtype: 'f32', shape: [1], data: new Uint8Array(4) }])
    expect(() => openTraining(path)).toThrow(`${path}: the file is no training checkpoint; accepted: a c-kernel-engine`)
  })
})

describe('saving where it cannot be', () => {
  const isRoot = process.getuid?.() === 0

  it.skipIf(!existsSync('/dev/full'))('keeps the last one when the disk is full (needs /dev/full)', () => {
    const folder = fresh()
    save(folder, 10, 1)
    symlinkSync('/dev/full', partialName(join(folder, 'step-00000020.safetensors')))
    const path = join(folder, 'step-00000020.safetensors')
    expect(() => save(folder, 20, 1)).toThrow(
      `${path}: cannot be written (ENOSPC); nothing was left behind; ` +
        'the last checkpoint, step-00000010.safetensors, is still there',
    )
    expect(names(folder)).toEqual(['step-00000010.safetensors'])
    expect(newestWhole(folder)?.value.step).toBe(10)
  })

  it.skipIf(process.platform === 'win32')('keeps the last one when a file may not grow as long (needs ulimit)', () => {
    const folder = fresh()
    save(folder, 10, 1)
    execFileSync(process.execPath, ['scripts/prepare.mjs'], { cwd: fileURLToPath(repository), stdio: 'pipe' })
    const built = new URL('dist/train/checkpoint/saveCheckpoint.js', repository)
    const script = `
      import { saveCheckpoint } from '${built}'
      const weight = { kind: 'weight', name: 'w', shape: [2 ** 18], data: new Float32Array(2 ** 18) }
      try {
        saveCheckpoint(process.argv[1], ${JSON.stringify(factsAt(20))}, [weight], { keep: 1 })
      } catch (error) {
        console.log(error.message)
      }`
    // Half a megabyte of a whole one: the limit is met in the middle of the data. Its signal would end the process.
    const limited = `ulimit -f 1024; trap '' XFSZ; exec "$0" --input-type=module -e "$1" "$2"`
    const run = spawnSync('sh', ['-c', limited, process.execPath, script, folder], { encoding: 'utf8' })
    expect(run.stdout).toMatch(/cannot be written \(EFBIG\).*step-00000010.safetensors, is still there\n$/)
    expect(names(folder)).toEqual(['step-00000010.safetensors'])
    expect(newestWhole(folder)?.value.step).toBe(10)
  })

  it.skipIf(isRoot)('says so in a folder that is read-only (root may write everywhere)', () => {
    const folder = fresh()
    save(folder, 10)
    chmodSync(folder, 0o555)
    expect(() => save(folder, 20)).toThrow(/cannot be written \(EACCES\).*step-00000010.safetensors, is still there/)
    chmodSync(folder, 0o755)
  })

  it('says so where a file stands in the place of the folder', () => {
    const folder = join(root, 'file')
    writeFileSync(folder, '')
    expect(() => save(join(folder, 'checkpoints'), 1)).toThrow(
      /cannot be written \(ENOTDIR\); nothing was left behind; there is no checkpoint before it/,
    )
  })
})

describe('a process that is killed while it saves', () => {
  it('leaves a whole checkpoint, ten times out of ten', async () => {
    execFileSync(process.execPath, ['scripts/prepare.mjs'], { cwd: fileURLToPath(repository), stdio: 'pipe' })
    const folder = fresh()
    // Every save is of other values, so that one mixed of two would be found.
    const script = `
      import { saveCheckpoint } from '${new URL('dist/train/checkpoint/saveCheckpoint.js', repository)}'
      const data = new Float32Array(2 ** 18)
      const weight = { kind: 'weight', name: 'w', shape: [2 ** 18], data }
      for (let step = Number(process.argv[2]); ; step++) {
        data.fill(step)
        saveCheckpoint(process.argv[1], { ...${JSON.stringify(factsAt(0))}, step }, [weight], { keep: 2 })
        process.stdout.write('.')
      }`
    const random = seededRandom(5)
    let step = 0
    for (let time = 0; time < 10; time++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder, String(step + 1)])
      await once(child.stdout, 'data')
      await new Promise((resolve) => setTimeout(resolve, random.below(40)))
      child.kill('SIGKILL')
      await once(child, 'close')
      const data = new Float32Array(2 ** 18)
      const found = resumeTraining(folder, [{ kind: 'weight', name: 'w', shape: [2 ** 18], data }], 'qwen3')
      expect(found?.value.step).toBeGreaterThan(step)
      step = found!.value.step
      expect([found!.passedOver, data.every((value) => value === step)]).toEqual([[], true])
    }
    save(folder, step + 1, 1)
    expect(names(folder)).toHaveLength(1)
  })
})

describe('a damaged checkpoint', () => {
  const path = save(fresh(), 12)
  const whole = readFileSync(path)
  const headerBytes = 8 + Number(whole.readBigUInt64LE(0))

  /** Whether the reader takes the bytes; anything but a refusal of theirs is an error. */
  const isTaken = (changed: Uint8Array): boolean => {
    const copy = join(root, 'damaged.safetensors')
    writeFileSync(copy, changed)
    const into = emptied(tensorsOf(12))
    try {
      const checkpoint = openTraining(copy)
      try {
        checkpoint.restore(into, 'qwen3')
      } finally {
        checkpoint.close()
      }
    } catch (error) {
      if (error instanceof CkError && /^[^\n]{10,600}$/.test(error.message)) return false
      throw error
    }
    expect(bytes(into)).toEqual(bytes(tensorsOf(12)))
    return true
  }

  it('is never taken, whichever byte is changed', () => {
    const random = seededRandom(1)
    // Spaces fill the header up to a multiple of 8; a tab or a line end there is another way to write the same.
    const blank = (at: number) => at < headerBytes && whole[at] === 0x20
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole)
      changed[at] = changed[at]! ^ (1 << random.below(8))
      if (!blank(at) || !isTaken(changed)) expect(isTaken(changed), `byte ${at}`).toBe(false)
    }
  })

  it('is never taken, wherever it is cut', () => {
    for (let size = 0; size < whole.length; size += size < headerBytes ? 7 : 31)
      expect(isTaken(whole.subarray(0, size)), `${size} bytes`).toBe(false)
    expect(isTaken(Buffer.concat([whole, Buffer.alloc(4)]))).toBe(false)
  })

  it('is refused or gives the right values after several changes', () => {
    const scratch = Buffer.alloc(2 * whole.length)
    const base = specimen(whole, headerBytes)
    for (let seed = 1; seed <= 600; seed++) isTaken(mutateBytes(base, seededRandom(seed), scratch))
  })
})
