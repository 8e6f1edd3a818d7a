import type { WeightDtype } from '../src/base/dtypes.ts'
import type { openCheckpoint } from '../src/formats/openCheckpoint.ts'
import type { ConfigReader } from '../src/templates/configReader.ts'
import type { ropeVariants } from '../src/templates/rope/ropeVariants.ts'
import type { Template } from '../src/templates/template.ts'

export interface PageModules {
  readonly templates: readonly Template[]
  readonly openCheckpoint: typeof openCheckpoint
  readonly ConfigReader: typeof ConfigReader
  readonly ropeVariants: typeof ropeVariants
  readonly weightDtypes: readonly WeightDtype[]
}

export const resultsFile: string
export function recordings(): readonly {
  readonly name: string
  readonly key: 'logits' | 'embedding'
  readonly path: string
  readonly file: string
}[]
export function modelsPage(modules: PageModules): string
