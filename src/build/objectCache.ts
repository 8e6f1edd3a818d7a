import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import type { CompileStep } from '../emit/buildPlan.ts'
import { type Compiler, flagsFor } from './compiler.ts'

/**
 * The name of a step's object: a hash of everything that decides its bytes. That is the compiler, the flags, the source and
 * the headers of the run folder that it includes (`files`: what filesOf gives). The compiler's own headers count with its
 * version.
 */
export function objectKey(files: ReadonlyMap<string, string>, step: CompileStep, compiler: Compiler): string {
  const hash = createHash('sha256')
  const add = (text: string) => hash.update(`${Buffer.byteLength(text)}:${text}`)
  add(compiler.identity)
  for (const flag of flagsFor(compiler, step.flags)) add(flag)
  for (const [path, text] of [...files].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    add(path)
    add(text)
  }
  return hash.digest('hex')
}

/** The source and, of all that it includes with quotes, what lies in the run folder `dir`: path to text. */
export function filesOf(dir: string, step: CompileStep): ReadonlyMap<string, string> {
  const searched = step.flags.filter((flag) => flag.startsWith('-I')).map((flag) => flag.slice(2))
  const files = new Map<string, string>()
  const visit = (path: string) => {
    if (files.has(path)) return
    const text = readFileSync(join(dir, path), 'utf8')
    files.set(path, text)
    for (const [, name] of text.matchAll(/^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"/gm)) {
      const candidates = [dirname(path), ...searched].map((folder) => normalize(join(folder, name!)))
      const found = candidates.find((candidate) => existsSync(join(dir, candidate)))
      if (found) visit(found)
    }
  }
  visit(step.source)
  return files
}
