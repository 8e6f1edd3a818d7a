import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type MixedText, mixedDocuments } from '../tokenizer/mixedText.ts'

/** What Hugging Face tokenizers made of some texts; oracles/tokenizer_training.py writes it. */
export interface TrainingCase {
  readonly name: string
  /** Texts, or how `mixedDocuments` makes them, joined by newlines and repeated. */
  readonly files: readonly (string | (MixedText & { readonly times?: number }))[]
  readonly vocabulary: number
  readonly split: string
  readonly special: readonly string[]
  readonly bos?: string
  readonly minFrequency: number
  readonly tokens: number
  readonly merges: number
  readonly first: readonly string[]
  readonly last: readonly string[]
  /** Of the whole tokenizer.json. */
  readonly sha256: string
}

export const recorded = JSON.parse(readFileSync(new URL('training.json', import.meta.url), 'utf8')) as {
  readonly cases: readonly TrainingCase[]
  /** `files` are names in the folder of shared data. */
  readonly shakespeare: readonly TrainingCase[]
}

/** Writes the texts of a case to a folder; their paths. */
export function writeTexts({ files }: TrainingCase, folder: string): string[] {
  return files.map((file, i) => {
    const path = join(folder, `text${i}`)
    writeFileSync(
      path,
      typeof file === 'string'
        ? file
        : mixedDocuments(file)
            .join('\n')
            .repeat(file.times ?? 1),
    )
    return path
  })
}
