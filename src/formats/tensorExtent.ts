import { fail } from '../base/errors.ts'

/** Where the bytes of a named tensor lie in one file. */
export interface Extent {
  readonly name: string
  readonly offset: number
  readonly bytes: number
}

/** Product of the dims, each at least 1; refuses `file_malformed` for a tensor of 0 or of more than 2^53 elements. */
export function countElements(path: string, tensor: string, shape: readonly (number | bigint)[]): number {
  let elements = 1
  for (const dim of shape) {
    elements *= Number(dim)
    if (dim < 1 || !Number.isSafeInteger(elements)) {
      fail('file_malformed', {
        path,
        what: `tensor '${tensor}' has shape [${shape.join(', ')}]`,
        accepted: 'dims of at least 1 whose product is below 2^53',
      })
    }
  }
  return elements
}

/** The extents in the order of their offsets; refuses `file_malformed` where two overlap. */
export function orderExtents<E extends Extent>(path: string, extents: Iterable<E>): E[] {
  const ordered = [...extents].sort((a, b) => a.offset - b.offset)
  for (let i = 1; i < ordered.length; i++) {
    const [before, after] = [ordered[i - 1]!, ordered[i]!]
    if (before.offset + before.bytes > after.offset) {
      fail('file_malformed', {
        path,
        at: after.offset,
        what: `tensor '${after.name}' begins inside tensor '${before.name}', which ends at byte ${before.offset + before.bytes}`,
        accepted: 'tensors that do not overlap',
      })
    }
  }
  return ordered
}

/** Refuses `file_malformed` where the tensor's bytes go beyond the end of its file. */
export function checkWithinFile(path: string, extent: Extent, fileBytes: number): void {
  if (extent.offset + extent.bytes <= fileBytes) return
  fail('file_malformed', {
    path,
    at: extent.offset,
    what: `tensor '${extent.name}' has ${extent.bytes} bytes here, and the file ends at byte ${fileBytes}`,
    accepted: 'a whole file; this one is truncated or damaged',
  })
}
