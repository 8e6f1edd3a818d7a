import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { families } from '../../src/kernels/registry.ts'
import { ops } from '../../src/ops/registry.ts'
import { passes } from '../../src/passes/optimize.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folders = ['src', 'tests', 'oracles', 'bench', 'docs', 'models', 'scripts']

/** What ARCHITECTURE.md says will come (§9, §13): each must be gone from here once it is there. */
const later = ['src/report', 'web']

/** Passes that make a graph to train by, before those that make programs. */
const training = [
  ...['trainingGraph', 'expandFused', 'keepAllRows', 'separateSequences', 'addLoss', 'bindSizes'],
  ...['differentiate', 'gradientFlow', 'lossAndGradients', 'recompute', 'fuseLoss', 'fuseSums', 'weightsAsRows'],
  ...['trainingPrograms', 'applyUpdates', 'accumulateGradients', 'updateGraph', 'appendUpdate', 'updateSettings'],
  ...['normOfGradients', 'orthogonalize', 'trainedWeights', 'weightsToStates'],
  ...['storeNarrow', 'forwardNodes', 'copyWeights'],
]

const documents = [
  ...['ARCHITECTURE.md', 'README.md'].filter((file) => existsSync(join(root, file))),
  ...folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.md') && !file.includes('node_modules'))
      .map((file) => `${folder}/${file}`),
  ),
]

const read = (file: string) => readFileSync(join(root, file), 'utf8')

/** Whether a path is there, from the root of the repository or from the document's own folder. */
function exists(document: string, path: string): boolean {
  const known = [join(root, path), join(root, dirname(document), path)]
  return known.some((candidate) => existsSync(candidate))
}

describe.each(documents)('%s', (document) => {
  const text = read(document)

  it('names only files and folders that exist', () => {
    const path = new RegExp(`(?<![\\w./-])(?:${folders.join('|')})/[\\w./-]*\\w`, 'g')
    const named = [...text.matchAll(path)].map(([found]) => found)
    const programs = [...text.matchAll(/\b(?:node|python3?) ([\w./-]+\.(?:mjs|py))/g)].map(([, found = '']) => found)
    const missing = [...named, ...programs].filter((found) => !exists(document, found) && !later.includes(found))
    expect([...new Set(missing)]).toEqual([])
  })

  it('names only scripts that package.json has', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: { [name: string]: string } }
    const named = [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name = '']) => name)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })
})

describe('what is there', () => {
  it('is no longer said to come later', () => {
    expect(later.filter((path) => existsSync(join(root, path)))).toEqual([])
  })

  it('is registered: every op, pass and kernel family', () => {
    const modules = (folder: string) =>
      readdirSync(join(root, folder))
        .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
        .map((file) => file.replace('.ts', ''))
    const shared = ['registry', 'shapes', 'binary', 'activations', 'erfc', 'delta', 'convolve']
    const sharedByAttention = ['attentionCall', 'attentionRows']
    const sharedByGradients = ['missingKernel', 'normGradient', 'pointwiseBackward', 'batchRows']
    const sharedByTraining = ['crossEntropyRows', 'headLossCalls', 'weightUpdate']
    const own = [...shared, ...sharedByAttention, ...sharedByGradients, ...sharedByTraining]
    expect(modules('src/ops').filter((name) => !own.includes(name))).toEqual(Object.keys(ops).toSorted(byCode))
    expect(modules('src/passes').filter((name) => !['optimize', ...training].includes(name))).toEqual(
      passes.map(({ name }) => name).toSorted(byCode),
    )
    const kernelFolders = readdirSync(join(root, 'src/kernels'), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    )
    expect(kernelFolders.map(({ name }) => name).toSorted()).toEqual(Object.keys(families).toSorted())
    for (const family of Object.keys(families))
      for (const end of ['.c', '.kernel.ts'])
        expect(existsSync(join(root, 'src/kernels', family, family + end)), family).toBe(true)
  })
})

/** The order in which a folder is listed. */
function byCode(a: string, b: string): number {
  return a < b ? -1 : 1
}
