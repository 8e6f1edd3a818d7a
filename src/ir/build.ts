import { fail } from '../base/errors.ts'
import type { Attributes, Graph, Input, Node, State, TensorType, Weight } from './graph.ts'
import type { AnyOp, Applied, Composer, OpDefinition, Operand } from './op.ts'

/** Builds a graph node by node; every node is inferred and checked as it is added. */
export class GraphBuilder implements Composer {
  readonly #name: string
  readonly #inputs: Input[] = []
  readonly #weights: Weight[] = []
  readonly #states: State[] = []
  readonly #nodes: Node[] = []
  readonly #types: Record<string, TensorType> = {}
  readonly #outputs: string[] = []
  readonly #names = new Set<string>()

  constructor(name: string) {
    this.#name = name
  }

  input(name: string, type: TensorType): Operand {
    this.#claim(name)
    this.#inputs.push({ name, type })
    return { name, type }
  }

  /** A weight; declared once, and the same operand at a second call with the same name. */
  weight(name: string, type: TensorType, sources: readonly string[] = [name]): Operand {
    const known = this.#weights.find((weight) => weight.name === name)
    if (known) return { name, type: known.type }
    this.#claim(name)
    this.#weights.push({ name, type, sources })
    return { name, type }
  }

  state(name: string, type: TensorType): Operand {
    this.#claim(name)
    this.#states.push({ name, type })
    return { name, type }
  }

  /** Adds a node. Its outputs are called `name` (one output) or as `outputNames` says, else `name.slot`. `of`, `advances`: see Node. */
  apply<I extends string, O extends string, A extends Attributes>(
    op: OpDefinition<I, O, A>,
    name: string,
    inputs: { readonly [K in I]?: Operand },
    attributes: A,
    outputNames: { readonly [K in O]?: string } = {},
    of?: string,
    advances?: readonly string[],
  ): Applied<O> {
    const types = inferTypes(op, name, inputs as { [slot: string]: Operand | undefined }, attributes)
    const outputs: Record<string, Operand> = {}
    for (const slot of op.outputs) {
      const type =
        types[slot] ?? fail('graph_invalid', { where: name, what: `op ${op.name} infers no type for '${slot}'` })
      const value = outputNames[slot] ?? (op.outputs.length === 1 ? name : `${name}.${slot}`)
      this.#claim(value)
      this.#types[value] = type
      outputs[slot] = { name: value, type }
    }
    this.#nodes.push({
      op: op.name,
      inputs: Object.fromEntries(
        Object.keys(op.inputs).flatMap((slot) => {
          const operand = inputs[slot as I]
          return operand ? [[slot, operand.name]] : []
        }),
      ),
      outputs: Object.fromEntries(op.outputs.map((slot) => [slot, outputs[slot]!.name])),
      attributes,
      ...(advances === undefined ? {} : { advances }),
      ...(of === undefined ? {} : { of }),
    })
    return (op.outputs.length === 1 ? outputs[op.outputs[0]!]! : outputs) as Applied<O>
  }

  output(value: Operand): void {
    this.#outputs.push(value.name)
  }

  finish(): Graph {
    return {
      name: this.#name,
      inputs: this.#inputs,
      weights: this.#weights,
      states: this.#states,
      nodes: this.#nodes,
      types: this.#types,
      outputs: this.#outputs,
    }
  }

  #claim(name: string): void {
    if (this.#names.has(name)) fail('graph_invalid', { where: name, what: 'is defined twice; names are unique' })
    this.#names.add(name)
  }
}

/** Checks the inputs of one application against the op's record and gives its output types. */
export function inferTypes(
  op: AnyOp,
  where: string,
  inputs: { readonly [slot: string]: Operand | undefined },
  attributes: Attributes,
): { readonly [slot: string]: TensorType } {
  const refuse = (what: string): never => fail('graph_invalid', { where, what: `${op.name}: ${what}` })
  for (const slot of Object.keys(inputs)) if (!(slot in op.inputs)) refuse(`has no input '${slot}'`)
  const types: Record<string, TensorType> = {}
  for (const [slot, accepted] of Object.entries(op.inputs)) {
    const operand = inputs[slot]
    if (!operand) {
      if (!op.optional?.includes(slot)) refuse(`input '${slot}' is missing`)
      continue
    }
    if (!accepted.includes(operand.type.dtype)) {
      refuse(`input '${slot}' (${operand.name}) is ${operand.type.dtype}; accepted: ${accepted.join(', ')}`)
    }
    types[slot] = operand.type
  }
  return op.infer(types, attributes, refuse)
}
