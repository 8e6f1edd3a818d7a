import { execFileSync } from 'node:child_process'

/** Whether a program is installed: it says its version. */
export function answers(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
