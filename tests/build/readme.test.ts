import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { keepingCc } from '../cli/ck.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')

/** The commands of the README's console blocks with the lines that they print; `…` stands for any lines. */
function transcripts(): { command: string; printed: string[] }[] {
  const found: { command: string; printed: string[] }[] = []
  for (const [, block = ''] of readme.matchAll(/```console\n([\s\S]*?)```/g)) {
    for (const line of block.trimEnd().split('\n')) {
      if (line.startsWith('$ ')) found.push({ command: line.slice(2), printed: [] })
      else found.at(-1)!.printed.push(line)
    }
  }
  return found
}

function patternOf(lines: readonly string[]): RegExp {
  const parts = lines.map((line) => (line === '…' ? '[\\s\\S]*?' : `${line.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\n`))
  return new RegExp(`^${parts.join('')}\\n?$`)
}

describe('README', () => {
  it('shows what its commands print', () => {
    const dir = mkdtempSync(join(tmpdir(), 'ck-readme-'))
    symlinkSync(join(root, 'models'), join(dir, 'models'))
    const main = join(root, 'dist/ck/main.js')
    const shell = `set -e; ck() { "${process.execPath}" "${main}" "$@"; }\n`
    expect(transcripts().length).toBeGreaterThan(5)
    for (const { command, printed } of transcripts()) {
      const output = execFileSync('bash', ['-c', shell + command], {
        cwd: dir,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { ...process.env, ...(/\bmake\b/.test(command) ? keepingCc : {}) },
      })
      const ended = output === '' || output.endsWith('\n') ? output : `${output}\n`
      expect(ended, command).toMatch(patternOf(printed))
    }
  })

  it('names only files and folders that exist', () => {
    const tracked = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).split('\n')
    for (const [, path = ''] of readme.matchAll(/`((?:src|tests|docs|oracles|bench)\/[\w./-]*\w)`/g)) {
      expect(
        tracked.some((file) => file === path || file.startsWith(`${path}/`)),
        path,
      ).toBe(true)
    }
    for (const [, path = ''] of readme.matchAll(/\]\((?!http)([^)#]+)\)/g)) {
      expect(tracked.includes(path), path).toBe(true)
    }
  })
})
