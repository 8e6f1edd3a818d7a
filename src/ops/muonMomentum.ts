import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { muonMomentumForward } from '../kernels/update/update.kernel.ts'
import { denseRow, widthFrom } from './shapes.ts'
import { checkShare, clipType } from './weightUpdate.ts'

/**
 * The average of gradients that Muon keeps (`velocity`), and the direction that it makes orthogonal: that average, or with
 * `nesterov` one step of it further on from the gradient. The gradient is read times `clip`, where it is given; where that is
 * below 0, the average stays as it is, and the direction is 0.
 */
export const muonMomentum = defineOp({
  name: 'muonMomentum',
  inputs: { gradient: ['f32'], velocity: ['f32'], clip: ['f32'] },
  optional: ['clip'],
  outputs: ['next', 'direction'],
  advances: { next: 'velocity' },
  infer({ gradient, velocity, clip }, { momentum }: { momentum: number; nesterov: boolean }, refuse) {
    if (gradient.shape.join() !== velocity.shape.join())
      refuse(`gradient is [${gradient.shape}] and velocity is [${velocity.shape}]; they must be equal`)
    if (clip && clip.shape.join() !== clipType.shape.join())
      refuse(`clip is [${clip.shape}]; accepted: [${clipType.shape}]`)
    checkShare('momentum', momentum, refuse)
    return { next: velocity, direction: gradient }
  },
  reference({ gradient, velocity, clip }, { momentum, nesterov }) {
    const next = tensor(velocity.shape)
    const direction = tensor(velocity.shape)
    if (clip && clip.data[0]! < 0) return { next: velocity, direction }
    gradient.data.forEach((value, i) => {
      const g = value * (clip ? clip.data[0]! : 1)
      const v = momentum * velocity.data[i]! + (1 - momentum) * g
      next.data[i] = v
      direction.data[i] = nesterov ? momentum * v + (1 - momentum) * g : v
    })
    return { next, direction }
  },
  lower({ gradient, velocity, clip }, { next, direction }, { momentum, nesterov }, to) {
    to.advance(next, velocity)
    const buffers = { gradient, clip: clip ?? null, velocity: next, direction }
    const elements = widthFrom(gradient.type, 0)
    to.call(muonMomentumForward, { elements, momentum, nesterov: nesterov ? 1 : 0, ...buffers })
  },
  tolerance: { relative: 4 },
  samples: (lanes) =>
    [[1], [3, lanes - 1], [7, 2 * lanes + 1], [5, 256]].map((shape, i) => ({
      inputs: {
        gradient: { dtype: 'f32' as const, shape },
        velocity: { dtype: 'f32' as const, shape },
        ...(i % 2 ? { clip: { dtype: 'f32' as const, shape: [1, 1], values: [i === 3 ? -2 : -0.5] } } : {}),
      },
      attributes: { momentum: 0.95, nesterov: i < 2 },
    })),
  refusals: [
    {
      inputs: { gradient: denseRow([3, 4]), velocity: denseRow([4, 3]) },
      attributes: { momentum: 0.9, nesterov: true },
      says: 'they must be equal',
    },
    {
      inputs: { gradient: denseRow([3, 4]), velocity: denseRow([3, 4]) },
      attributes: { momentum: 1, nesterov: true },
      says: 'momentum is 1; accepted: 0 or more, below 1',
    },
  ],
})
