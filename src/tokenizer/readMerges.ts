import { fail } from '../base/errors.ts'
import { printable } from '../formats/names.ts'

/**
 * Merge rules to ids [merges, 3]: left, right, joined, the first rule first. `idOf` maps the vocabulary's own spelling.
 * A rule is `[left, right]` or both with one space between. Raises tokenizer_invalid for a rule whose parts or whose
 * union is no token, and for a rule given twice.
 */
export function readMerges(path: string, rules: readonly unknown[], idOf: ReadonlyMap<string, number>): Uint32Array {
  const merges = new Uint32Array(3 * rules.length)
  const seen = new Set<number>()
  const refuse = (what: string): never =>
    fail('tokenizer_invalid', {
      path,
      what,
      accepted: 'rules "left right" whose parts and union are tokens, each once',
    })
  rules.forEach((rule, rank) => {
    const [left, right] = partsOf(rule) ?? refuse(`merge ${rank} is ${printable(JSON.stringify(rule) ?? '', 80)}`)
    const ids = [left, right, left + right].map(
      (text) =>
        idOf.get(text) ?? refuse(`merge ${rank} needs token ${printable(JSON.stringify(text))}, which is missing`),
    )
    const pair = ids[0]! * 2 ** 24 + ids[1]!
    if (seen.has(pair)) refuse(`merge ${rank} (${printable(JSON.stringify(`${left} ${right}`))}) was given before`)
    seen.add(pair)
    merges.set(ids, 3 * rank)
  })
  return merges
}

function partsOf(rule: unknown): readonly [string, string] | undefined {
  if (typeof rule === 'string') {
    // The first character belongs to the left part even where it is the space.
    const space = rule.indexOf(' ', 1)
    return space > 0 && space < rule.length - 1 ? [rule.slice(0, space), rule.slice(space + 1)] : undefined
  }
  if (!Array.isArray(rule) || rule.length !== 2) return undefined
  const [left, right]: readonly unknown[] = rule
  return typeof left === 'string' && typeof right === 'string' && left && right ? [left, right] : undefined
}
