import { fail } from './errors.ts'

/** Runs an action on the file `path` that the system may not permit or have room for; that refuses `write_failed`. */
export function orRefuseWrite<T>(path: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof Error && 'code' in error && 'syscall' in error)
      fail('write_failed', { path, cause: String(error.code) })
    throw error
  }
}
