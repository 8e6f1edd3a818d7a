const maxShards = 99_999

/** Stem, number from 1 and count of a shard's file name `stem-00002-of-00003.gguf`; the stem may begin with folders. */
export interface ShardName {
  readonly stem: string
  readonly number: number
  readonly count: number
}

/** What the name of a GGUF file says about its shard; undefined where it is no shard. */
export function parseShardName(file: string): ShardName | undefined {
  const match = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/.exec(file)
  if (!match) return undefined
  const [number, count] = [Number(match[2]), Number(match[3])]
  return number >= 1 && number <= count && count <= maxShards ? { stem: match[1]!, number, count } : undefined
}

/** The names of all shards of the set, in order. */
export function shardNames({ stem, count }: ShardName): string[] {
  const digits = (value: number) => String(value).padStart(5, '0')
  return Array.from({ length: count }, (_, i) => `${stem}-${digits(i + 1)}-of-${digits(count)}.gguf`)
}
