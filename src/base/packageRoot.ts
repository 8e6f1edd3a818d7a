import { existsSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(import.meta.url)

/** The folder of this package. */
export const packageRoot: string = rootAbove(dirname(here))

/** The C sources lie here, whatever runs. */
export const sourceFolder: string = join(packageRoot, 'src')

/** The modules that run now, or that what runs now was bundled from: TypeScript in src/, or JavaScript in dist/. */
export const codeFolder: string = extname(here) === '.ts' ? sourceFolder : join(packageRoot, 'dist')

/** A module of this package by its path in src/ without extension. */
export function modulePath(name: string): string {
  return join(codeFolder, `${name}${extname(here)}`)
}

function rootAbove(folder: string): string {
  const parent = dirname(folder)
  return existsSync(join(folder, 'package.json')) || parent === folder ? folder : rootAbove(parent)
}
