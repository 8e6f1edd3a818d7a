import { join } from 'node:path'
import { beginBeside } from '../../formats/writeBeside.ts'
import { type DataPart, dataParts, type PartInfo, partFile } from './dataInfo.ts'
import { hashFile } from './hashFile.ts'
import { TokenFileWriter } from './writeTokenFile.ts'

/** Appends a document of so many bytes of text to a part. */
export type AddTokens = (part: DataPart, bytes: number, ids: Int32Array, loss?: Uint8Array) => void

/** Writes the token files of both parts into `dir` and counts them. Refuses `write_failed`. */
export async function writeParts(
  dir: string,
  idBytes: 2 | 4,
  vocabulary: number,
  fill: (add: AddTokens) => Promise<void>,
): Promise<{ readonly [P in DataPart]: PartInfo }> {
  const pending = dataParts.map((part) => {
    const begun = beginBeside(join(dir, partFile(part)))
    return { part, begun, writer: new TokenFileWriter(begun.file, idBytes, vocabulary), bytes: 0 }
  })
  try {
    await fill((part, bytes, ids, loss) => {
      const place = pending.find((one) => one.part === part)!
      place.bytes += bytes
      place.writer.add(ids, loss)
    })
    const entries = pending.map(({ part, begun, writer, bytes }) => {
      const counts = writer.finish()
      begun.commit()
      return [part, { ...counts, bytes, sha256: hashFile(join(dir, partFile(part))) }] as const
    })
    return Object.fromEntries(entries) as unknown as { readonly [P in DataPart]: PartInfo }
  } finally {
    for (const { begun } of pending) begun.abandon()
  }
}
