import { bytesOf, type WeightDtype } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import { acceptedRows } from '../formats/ggufTypes.ts'
import { conditions, layerSets, narrower, type Recipe, type RecipeFacts, type Role, roleNames } from './recipes.ts'

/** A tensor by its GGUF name; shapes are row-major. */
export interface NamedShape {
  readonly name: string
  readonly shape: readonly number[]
}

/** A format for the matrices whose names match: `*` stands for any text, `?` for one character. */
export interface TensorRule {
  /** With or without `.weight` at the end. */
  readonly pattern: string
  readonly dtype: WeightDtype
}

/** What a plan follows besides the recipe. */
export interface PlanOptions extends RecipeFacts {
  /** Named in refusals. */
  readonly path: string
  /** These come before the recipe; the last that matches decides. */
  readonly rules: readonly TensorRule[]
}

/**
 * The format of every tensor, by name. Matrices follow the rules and then the recipe; a recipe's format that does not divide
 * the rows gives way to a narrower one. Vectors and norms are f32. Refuses `tensor_shape` for a format that was asked for and
 * divides no rows, and `option_invalid` for a rule that matches no matrix.
 */
export function planTensors(
  tensors: readonly NamedShape[],
  recipe: Recipe,
  options: PlanOptions,
): ReadonlyMap<string, WeightDtype> {
  const matrices = tensors.filter(isMatrix)
  const isTied = !tensors.some(({ name }) => roleNames.output.test(name))
  const places = placesOf(matrices)
  const rules = options.rules.map((rule) => ({ ...rule, matches: matcher(rule.pattern), used: false }))
  const plan = new Map<string, WeightDtype>(tensors.map(({ name }) => [name, 'f32']))
  for (const tensor of matrices) {
    const matching = rules.filter(({ matches }) => matches.test(tensor.name))
    for (const rule of matching) rule.used = true
    const asked = matching.at(-1)?.dtype
    if (asked === undefined) plan.set(tensor.name, recipeDtype(tensor, recipe, places, isTied, options))
    else plan.set(tensor.name, divides(asked, tensor) ? asked : refuse(options.path, tensor, asked))
  }
  const idle = rules.find(({ used }) => !used)
  if (idle) {
    const found = `${idle.pattern}=${idle.dtype}`
    fail('option_invalid', { option: '--tensor', found, accepted: `patterns that match a matrix of ${options.path}` })
  }
  return plan
}

/** What is stored in the recipe's format: weights of two axes and more but norms, routers and what is added to embeddings. */
function isMatrix({ name, shape }: NamedShape): boolean {
  return (
    shape.filter((dim) => dim > 1).length > 1 &&
    name.endsWith('.weight') &&
    !/_norm\.|ffn_gate_inp\.|ssm_conv1d\.|^position_embd\.|^token_types\./.test(name)
  )
}

interface Place {
  readonly role: Role
  readonly layer: number
  readonly layers: number
}

function placesOf(matrices: readonly NamedShape[]): ReadonlyMap<string, Place> {
  const layerOf = (name: string) => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? 0)
  const places = new Map<string, Place>()
  for (const role of Object.keys(roleNames) as Role[]) {
    const having = matrices.filter(({ name }) => roleNames[role].test(name))
    const layers = [...new Set(having.map(({ name }) => layerOf(name)))].sort((a, b) => a - b)
    for (const { name } of having)
      places.set(name, { role, layer: layers.indexOf(layerOf(name)), layers: layers.length })
  }
  return places
}

function recipeDtype(
  tensor: NamedShape,
  recipe: Recipe,
  places: ReadonlyMap<string, Place>,
  isTied: boolean,
  options: PlanOptions,
): WeightDtype {
  const place = places.get(tensor.name)
  const isHead = place?.role === 'output' || (place?.role === 'token_embd' && isTied)
  const rule = recipe.rules.find(
    ({ role, layers = 'all', when }) =>
      role === place?.role && layerSets[layers](place.layer, place.layers) && (!when || conditions[when](options)),
  )
  if (!isHead) return fitting(rule?.dtype ?? recipe.dtype, tensor, options.path)
  if (divides(recipe.dtype, tensor)) return fitting(recipe.head, tensor, options.path)
  // A head that the recipe's own format does not divide is worth 8 bits.
  return divides('q8_0', tensor) ? 'q8_0' : fitting(recipe.dtype, tensor, options.path)
}

function fitting(dtype: WeightDtype, tensor: NamedShape, path: string): WeightDtype {
  if (divides(dtype, tensor)) return dtype
  const other = narrower[dtype]
  if (other === undefined) return refuse(path, tensor, dtype)
  return divides(other, tensor) ? other : 'f16'
}

function divides(dtype: WeightDtype, { shape }: NamedShape): boolean {
  return bytesOf(dtype, shape.at(-1)!) !== undefined
}

function refuse(path: string, { name, shape }: NamedShape, dtype: WeightDtype): never {
  const accepted = acceptedRows(dtype, shape.at(-1)!)
  return fail('tensor_shape', { path, tensor: name, found: `[${shape.join(', ')}]`, accepted })
}

function matcher(pattern: string): RegExp {
  const parts = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/\?/g, '.')
  return new RegExp(`^${parts}(\\.weight)?$`)
}
