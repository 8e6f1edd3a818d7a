/** AdamW (arXiv 1711.05101): shares of the last average of gradients and of their squares, and what is added to the root. */
export interface AdamWSettings {
  readonly kind: 'adamW'
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
}

/** Gradient descent; with `momentum` 0 it keeps nothing. */
export interface SgdSettings {
  readonly kind: 'sgd'
  readonly momentum: number
  readonly nesterov: boolean
}

/** Lion (arXiv 2302.06675). */
export interface LionSettings {
  readonly kind: 'lion'
  readonly beta1: number
  readonly beta2: number
}

/**
 * Muon (Jordan 2024) for the matrices between embedding and head, and AdamW for the others, whose learning rate is `rate`
 * times that of the matrices. A direction of [rows, cols] is scaled by sqrt(max(1, rows / cols)) (`shape`, Jordan's), or by
 * 0.2 sqrt(max(rows, cols)), as long as AdamW's steps (`adamW`, arXiv 2502.16982).
 */
export interface MuonSettings {
  readonly kind: 'muon'
  readonly momentum: number
  readonly nesterov: boolean
  readonly scale: 'shape' | 'adamW'
  readonly others: Omit<AdamWSettings, 'kind'> & { readonly rate: number }
}

export type Optimizer = AdamWSettings | SgdSettings | LionSettings | MuonSettings

const adamW: AdamWSettings = { kind: 'adamW', beta1: 0.9, beta2: 0.999, eps: 1e-8 }

/** What a setting is where nobody says otherwise: what PyTorch, or the paper, takes. */
export const optimizerDefaults: { readonly [K in Optimizer['kind']]: Extract<Optimizer, { kind: K }> } = {
  adamW,
  sgd: { kind: 'sgd', momentum: 0, nesterov: false },
  lion: { kind: 'lion', beta1: 0.9, beta2: 0.99 },
  muon: {
    kind: 'muon',
    momentum: 0.95,
    nesterov: true,
    scale: 'shape',
    others: { beta1: 0.9, beta2: 0.95, eps: 1e-10, rate: 0.015 },
  },
}
