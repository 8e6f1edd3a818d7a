import { existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeFolder } from './makeFolder.ts'

describe('makeFolder', () => {
  it('makes missing parents, and leaves what is there', () => {
    const dir = mkdtempSync(join(tmpdir(), 'ck-folder-'))
    makeFolder(join(dir, 'a/b/c'))
    makeFolder(join(dir, 'a/b'))
    expect(existsSync(join(dir, 'a/b/c'))).toBe(true)
  })

  it('raises where a parent is a file', () => {
    const dir = mkdtempSync(join(tmpdir(), 'ck-folder-'))
    writeFileSync(join(dir, 'file'), '')
    expect(() => makeFolder(join(dir, 'file/b'))).toThrow(/ENOTDIR/)
  })

  it.skipIf(process.platform !== 'linux')('raises under a folder that takes no entries (needs /proc)', () => {
    expect(() => makeFolder('/proc/ck/models')).toThrow(/ENOENT/)
  })
})
