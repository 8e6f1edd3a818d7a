// The text of docs/models.md: families from their templates, and what was measured of the recorded references. Nothing here
// knows a family by name. The modules come as arguments, from src/ or from dist/.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
export const goldens = join(root, 'tests', 'parity', 'goldens')
export const resultsFile = join(goldens, 'results.json')

/** Where references lie, and what is recorded of them. */
const collections = [
  { folder: goldens, key: 'logits' },
  { folder: join(goldens, '..', 'embeddings'), key: 'embedding' },
]

/** All recorded references by name: the checkpoint (a folder or its first GGUF file), the recording, and its tensor. */
export function recordings() {
  return collections.flatMap(({ folder, key }) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort()
      .map((name) => {
        const files = readdirSync(join(folder, name)).sort()
        const gguf = files.find((each) => each.endsWith('.gguf')) ?? ''
        return { name, key, path: join(folder, name, gguf), file: join(folder, name, `${key}.safetensors`) }
      }),
  )
}

/** The page. `modules`: templates, openCheckpoint, ConfigReader, ropeVariants and weightDtypes. */
export function modelsPage(modules) {
  const measured = readJson(resultsFile)?.goldens ?? {}
  const peer = readJson(join(goldens, 'llama.cpp.json')) ?? { models: {} }
  const references = recordings().map((recording) => ({
    ...readReference(modules, recording),
    result: measured[recording.name],
    peer: peer.models[recording.name],
  }))
  const families = modules.templates.map((template) => ({
    template,
    says: sentences()[template.name] ?? '',
    references: references.filter((reference) => reference.template === template),
  }))
  return `${head(modules, peer.peer)}
## Families

${table(
  ['family', 'GGUF', 'transformers', 'usual tokenizer', 'rope scalings'],
  families.map((family) => familyRow(modules, family)),
)}
${families.map(familyText).join('\n')}`
}

function head({ weightDtypes }, peer) {
  return `# Models

Made by \`npm run docs\` from the templates and the recorded results; a test fails where it is not current. After a change of
the arithmetic or with a new reference: \`npm run docs -- --measure\`, and \`node bench/families.mjs --record\` where llama.cpp
is installed.

Every family is read from a transformers folder (safetensors in f32, f16 or bf16, one file or shards) and from GGUF files with
weights in ${weightDtypes.join(', ')}, and is written as GGUF by \`ck quantize\`. The tokenizer is that of the checkpoint,
whatever the family; a family's usual one is named here. A rope scaling that is not named is refused.

Each reference is a tiny random model with uneven shapes, whose logits of 24 tokens were computed with PyTorch and transformers in
float64 (tests/parity/goldens/README.md; of an encoder the embedding, tests/parity/embeddings/README.md). Errors are normalised mean squared errors against those logits:

- **transformers**: transformers' own float32, for comparison
- **interpreter**: the graph computed in float64, which shows how well the family is understood
- **f32**: the compiled program with \`--strict\`; prefill and decode give the same bits
- **own types**: the compiled program with the weights' own types and, for block formats, 8-bit activations
- **llama.cpp**: what ${peer ?? 'llama.cpp'} computes from the GGUF file that \`ck quantize --format f32\` writes of it, and of how many
  greedy tokens it chooses the same as we do. Its GELU is a table of halves. References in GGUF are compared by
  \`node bench/goldens.mjs\`.
`
}

function familyRow(modules, { template, references }) {
  return [
    `[${template.name}](#${template.name})`,
    template.gguf.map(code).join(', ') || '–',
    template.transformers.map(code).join(', ') || '–',
    template.tokenizer ?? '–',
    scalings(modules, template, references),
  ]
}

function familyText({ template, says, references }) {
  const rows = references.map(({ name, stored, result, note, peer }) => [
    code(name),
    stored,
    note,
    ...['interpret', 'strict', 'own'].map((kind) => result?.[kind] ?? 'not measured'),
    ...peerCells(peer),
  ])
  const columns = [
    'reference',
    'weights',
    'transformers',
    'interpreter',
    'f32',
    'own types',
    'llama.cpp',
    'same tokens',
  ]
  return `### ${template.name}

${says}

${rows.length > 0 ? table(columns, rows) : 'Not compared yet.\n'}`
}

function peerCells(peer) {
  if (!peer) return ['–', '–']
  if (peer.refused) return [`does not load it: ${peer.refused}`, '–']
  const ties = peer.agrees && peer.equal < peer.of ? `, the others near ties (${peer.ahead})` : ''
  const why = peer.ignores ? ` (it ignores ${peer.ignores})` : ''
  return [`${peer.nmse}${why}`, `${peer.equal} of ${peer.of}${ties}`]
}

function readReference({ templates, openCheckpoint }, { name, path, file }) {
  const checkpoint = openCheckpoint(path)
  const { description, architecture, tensors } = checkpoint
  checkpoint.close()
  const dtypes = [...new Set([...tensors.values()].filter(({ shape }) => shape.length > 1).map(({ dtype }) => dtype))]
  return {
    name,
    path,
    isFolder: description.format === 'transformers',
    template: templates.find((each) => each[description.format].includes(architecture)),
    stored: `${description.format === 'gguf' ? 'GGUF' : 'safetensors'} ${dtypes.sort().join(', ')}`,
    note: /float32 (\S+)$/.exec(noteOf(file))?.[1] ?? '–',
  }
}

/** What the recording says of itself. */
function noteOf(file) {
  const bytes = readFileSync(file)
  const length = Number(bytes.readBigUInt64LE(0))
  return JSON.parse(bytes.toString('utf8', 8, 8 + length)).__metadata__?.oracle ?? ''
}

/** The scalings that the family's reader takes, found by asking it: the first folder's config with each of them. */
function scalings(modules, template, references) {
  const { path } = references.find(({ isFolder }) => isFolder) ?? {}
  if (path === undefined) return '–'
  const accepts = (kind) => readsRope(modules, template, path, kind)
  if (accepts('no such kind')) return 'does not turn'
  return Object.keys(modules.ropeVariants)
    .filter((kind) => kind !== 'default' && accepts(kind))
    .join(', ')
}

function readsRope({ openCheckpoint, ConfigReader }, template, path, kind) {
  const checkpoint = openCheckpoint(path)
  const { config } = checkpoint.description
  const { rope, ropes } = template.config.transformers(new ConfigReader(checkpoint))
  checkpoint.close()
  const list = Array.from({ length: (rope ?? ropes?.[0])?.pairs ?? 1 }, () => 1)
  const scaling = {
    ...{ rope_type: kind, rope_theta: 10000, factor: 2, low_freq_factor: 1, high_freq_factor: 4 },
    ...{ original_max_position_embeddings: 64, long_factor: list, short_factor: list },
  }
  const { rope_scaling: _old, ...plain } = config
  const share = config.rope_parameters?.partial_rotary_factor
  const flat = share === undefined ? scaling : { ...scaling, partial_rotary_factor: share }
  const isPerLayer = config.rope_parameters?.full_attention !== undefined
  const changed = { ...plain, rope_parameters: isPerLayer ? { full_attention: scaling } : flat }
  try {
    template.config.transformers(
      new ConfigReader({ ...checkpoint, description: { ...checkpoint.description, config: changed } }),
    )
    return true
  } catch {
    return false
  }
}

// A comment, the constant under it, and the first name in it.
const declaration = /\/\*\*((?:(?!\*\/).)*)\*\/\s*export const \w+ = defineTemplate\b.*?\bname: '([^']*)'/gs

/** The sentence above each template, by the template's name. */
function sentences() {
  const folder = join(root, 'src', 'templates')
  const found = readdirSync(folder)
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .flatMap((text) => [...text.matchAll(declaration)])
  return Object.fromEntries(found.map(([, comment, name]) => [name, comment.replaceAll(/\s*\n\s*\*\s?/g, ' ').trim()]))
}

function table(columns, rows) {
  return [columns, columns.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

const code = (text) => `\`${text}\``
const readJson = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined)
