import type { MuonSettings } from '../base/optimizers.ts'
import type { GraphBuilder } from '../ir/build.ts'
import type { Attributes } from '../ir/graph.ts'
import type { AnyOp, Operand } from '../ir/op.ts'
import { adamW } from '../ops/adamW.ts'
import { average } from '../ops/average.ts'
import { lion } from '../ops/lion.ts'
import { momentum } from '../ops/momentum.ts'
import { muonMomentum } from '../ops/muonMomentum.ts'
import { muonUpdate } from '../ops/muonUpdate.ts'
import { sgd } from '../ops/sgd.ts'
import { orthogonalize } from './orthogonalize.ts'
import type { TrainedWeight } from './trainedWeights.ts'
import type { ParameterGroup, UpdateSettings } from './updateSettings.ts'

/** What an update reads besides the weight: its gradient, the step's rates, and what scales gradients. */
export interface UpdateInputs {
  readonly weight: Operand
  readonly gradient: Operand
  readonly rates: Operand
  readonly clip?: Operand
}

/**
 * Adds the update of one weight, which is a state: the next version is `w.next`, the optimizer's states are called `w.mean`,
 * `w.square`, `w.velocity`, and the average of the weight `w.average`. They begin as 0, the average as the weight.
 */
export function appendUpdate(
  g: GraphBuilder,
  weight: TrainedWeight,
  { optimizer, group, average: decay }: UpdateSettings,
  inputs: UpdateInputs,
): void {
  const of = group(weight)
  switch (optimizer.kind) {
    case 'adamW': {
      const { beta1, beta2, eps } = optimizer
      applyUpdate(g, adamW, weight, inputs, { beta1, beta2, eps, ...of })
      break
    }
    case 'sgd':
      if (optimizer.momentum === 0) applyUpdate(g, sgd, weight, inputs, { ...of })
      else {
        const { momentum: share, nesterov } = optimizer
        applyUpdate(g, momentum, weight, inputs, { momentum: share, nesterov, ...of })
      }
      break
    case 'lion':
      applyUpdate(g, lion, weight, inputs, { beta1: optimizer.beta1, beta2: optimizer.beta2, ...of })
      break
    case 'muon':
      if (weight.role === 'matrix') applyMuon(g, weight, inputs, optimizer, of)
      else {
        const { rate, ...others } = optimizer.others
        applyUpdate(g, adamW, weight, inputs, { ...others, decay: of.decay, rate: of.rate * rate })
      }
      break
    default:
      optimizer satisfies never
  }
  if (decay !== undefined) {
    const last = g.state(`${weight.name}.average`, weight.type)
    const next = { name: `${weight.name}.next`, type: weight.type }
    g.apply(average, `${last.name}.next`, { average: last, weight: next }, { decay }, {}, weight.name)
  }
}

/** An op that updates a weight, on states of its own. */
function applyUpdate(
  g: GraphBuilder,
  op: AnyOp,
  { name, type }: TrainedWeight,
  inputs: UpdateInputs,
  attributes: Attributes,
): void {
  const memory = Object.entries(op.advances ?? {}).flatMap(([output, slot]) =>
    slot === undefined || slot === 'weight' ? [] : [{ output, slot, state: `${name}.${slot}` }],
  )
  const states = Object.fromEntries(memory.map(({ slot, state }) => [slot, g.state(state, type)]))
  const names = Object.fromEntries(memory.map(({ output, state }) => [output, `${state}.next`]))
  g.apply(op, `${name}.next`, { ...inputs, ...states }, attributes, { ...names, next: `${name}.next` }, name)
}

/** Muon: momentum, the nearest orthogonal matrix to it, a step along that. */
function applyMuon(
  g: GraphBuilder,
  { name, type }: TrainedWeight,
  { weight, gradient, rates, clip }: UpdateInputs,
  { momentum: share, nesterov, scale }: MuonSettings,
  group: ParameterGroup,
): void {
  const velocity = g.state(`${name}.velocity`, type)
  const { direction } = g.apply(
    muonMomentum,
    `${name}.muon`,
    { gradient, velocity, ...(clip ? { clip } : {}) },
    { momentum: share, nesterov },
    { next: `${velocity.name}.next`, direction: `${name}.direction` },
    name,
  )
  const step = orthogonalize(g, direction, name)
  const [rows, cols] = type.shape.map(Number) as [number, number]
  const factor = scale === 'shape' ? Math.sqrt(Math.max(1, rows / cols)) : 0.2 * Math.sqrt(Math.max(rows, cols))
  const attributes = { scale: factor, ...group }
  g.apply(
    muonUpdate,
    `${name}.next`,
    { weight, gradient: step, rates, ...(clip ? { clip } : {}) },
    attributes,
    {},
    name,
  )
}
