import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../../base/errors.ts'
import { makeFolder } from '../../base/makeFolder.ts'
import { orRefuseWrite } from '../../base/orRefuseWrite.ts'
import { writeBeside } from '../../formats/writeBeside.ts'
import type { ConfigHash } from '../config/hashConfig.ts'

/** Where the parts of a training lie in its folder. */
export const trainingPlaces = (out: string) => ({
  config: join(out, 'config.json'),
  tokenizer: join(out, 'tokenizer', 'tokenizer.json'),
  init: join(out, 'init'),
  /** Of stages that learn from the same files there is one. */
  data: (stage: string) => join(out, 'data', stage),
  stage: (stage: string) => join(out, stage),
  export: join(out, 'export'),
})

/**
 * Makes the folder of a training, and puts the config and the hashes of what it names in it. Refuses `option_invalid` where the
 * folder is of another config, and `write_failed`.
 */
export function openTrainingFolder(out: string, { text, sha256, files }: ConfigHash): void {
  const { config } = trainingPlaces(out)
  const written = `${JSON.stringify({ sha256, files, config: JSON.parse(text) }, null, 1)}\n`
  if (existsSync(config)) {
    if (readFileSync(config, 'utf8') === written) return
    fail('option_invalid', {
      option: '--out',
      found: out,
      accepted: 'the folder of a training of the same config and the same files, or another one',
    })
  }
  orRefuseWrite(out, () => makeFolder(out))
  writeBeside(config, (file) => file.append(Buffer.from(written)))
}
