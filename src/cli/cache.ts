import { defineCommand } from './command.ts'
import { formatBytes } from './formatBytes.ts'
import { buildsFolder, keptBuilds, removeUnused } from './keptBuilds.ts'
import { printTable } from './printTable.ts'

export const cache = defineCommand({
  name: 'cache',
  summary: 'Lists the builds that commands have made of checkpoints and keep, and removes what is not used.',
  model: null,
  options: ['unused', 'json'],
  explanation:
    'Builds that no command has used for 30 days are removed when another one is made. CK_CACHE says where the cache lies.',
  examples: ['ck cache', 'ck cache --unused 7', 'ck cache --unused 0'],
  async run({ options: { unused, json }, io }) {
    const before = keptBuilds()
    const removed = unused === undefined ? [] : removeUnused(unused)
    const [gone, kept] = [
      before.filter(({ dir }) => removed.includes(dir)),
      before.filter(({ dir }) => !removed.includes(dir)),
    ]
    const builds = kept.map(({ dir, manifest, bytes, used }) => {
      const { name, target, context } = manifest ?? {}
      return {
        dir,
        name: name ?? null,
        target: target ?? null,
        context: context ?? null,
        bytes,
        used: used.toISOString(),
      }
    })
    const sum = (list: typeof before) => list.reduce((total, { bytes }) => total + bytes, 0)
    if (json) {
      io.out(`${JSON.stringify({ folder: buildsFolder(), builds, removed: gone.length, removedBytes: sum(gone) })}\n`)
      return 0
    }
    if (unused !== undefined) io.out(`removed ${gone.length} of ${plural(before.length)}, ${formatBytes(sum(gone))}\n`)
    const rows = builds.map(({ name, target, context, bytes, used }) => [
      ...[name ?? 'damaged', target ?? '', context === null ? '' : `context ${context}`],
      ...[formatBytes(bytes), `used ${used.slice(0, 16).replace('T', ' ')} UTC`],
    ])
    io.out(`${printTable(rows)}${plural(kept.length)}, ${formatBytes(sum(kept))}, in ${buildsFolder()}\n`)
    return 0
  },
})

function plural(builds: number): string {
  return `${builds} build${builds === 1 ? '' : 's'}`
}
