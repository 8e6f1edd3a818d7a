import type {
  Checkpoint,
  CheckpointDescription,
  Json,
  MetadataValue,
  TensorRecord,
} from '../../src/formats/checkpoint.ts'

/** A checkpoint with another description or other tensors. */
export function changed(
  base: Checkpoint,
  changes: Partial<Pick<Checkpoint, 'architecture' | 'description' | 'tensors'>>,
): Checkpoint {
  return {
    path: base.path,
    description: base.description,
    architecture: base.architecture,
    name: base.name,
    tensors: base.tensors,
    read: (...args) => base.read(...args),
    fingerprint: () => base.fingerprint(),
    close: () => {},
    ...changes,
  }
}

/** A transformers folder with other keys in config.json; undefined takes one away. */
export function withConfig(base: Checkpoint, config: { readonly [key: string]: Json | undefined }): Checkpoint {
  if (base.description.format !== 'transformers') throw new Error('not a transformers folder')
  const entries = Object.entries({ ...base.description.config, ...config }).filter((entry) => entry[1] !== undefined)
  const description: CheckpointDescription = {
    format: 'transformers',
    config: Object.fromEntries(entries) as { [key: string]: Json },
  }
  return changed(base, { description })
}

/** A GGUF file with other keys; undefined takes one away. */
export function withMetadata(
  base: Checkpoint,
  values: { readonly [key: string]: MetadataValue | undefined },
): Checkpoint {
  if (base.description.format !== 'gguf') throw new Error('not a GGUF file')
  const { types } = base.description
  const metadata = new Map(base.description.metadata)
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) metadata.delete(key)
    else metadata.set(key, value)
  }
  return changed(base, { description: { format: 'gguf', metadata, types } })
}

/** A checkpoint whose table of tensors was edited. */
export function withTensors(base: Checkpoint, edit: (tensors: Map<string, TensorRecord>) => void): Checkpoint {
  const tensors = new Map(base.tensors)
  edit(tensors)
  return changed(base, { tensors })
}
