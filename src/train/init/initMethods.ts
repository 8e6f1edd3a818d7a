import type { Distribution } from './seededValues.ts'

/** One way to draw a matrix [rows, cols] that takes `cols` inputs to `rows` outputs. */
interface InitMethod {
  readonly help: string
  /** `deviation`: what the family or the caller gives methods that do not look at the shape. */
  draw(rows: number, cols: number, deviation: number): Distribution
}

const uniform = (bound: number): Distribution => ({ kind: 'uniform', low: -bound, high: bound })
const normal = (deviation: number): Distribution => ({ kind: 'normal', deviation })

/** Every method, by its usual name. */
export const initMethods = {
  normal: {
    help: 'normal with one deviation for all matrices (0.02, or as the family has it)',
    draw: (_rows, _cols, deviation) => normal(deviation),
  },
  truncated_normal: {
    help: 'the same, without what lies beyond two deviations',
    draw: (_rows, _cols, deviation) => ({ kind: 'normal', deviation, cut: 2 }),
  },
  xavier_uniform: {
    help: 'uniform up to √(6 / (inputs + outputs)) (Glorot and Bengio 2010)',
    draw: (rows, cols) => uniform(Math.sqrt(6 / (rows + cols))),
  },
  xavier_normal: {
    help: 'normal with deviation √(2 / (inputs + outputs))',
    draw: (rows, cols) => normal(Math.sqrt(2 / (rows + cols))),
  },
  kaiming_uniform: {
    help: 'uniform up to √(6 / inputs) (He et al. 2015)',
    draw: (_rows, cols) => uniform(Math.sqrt(6 / cols)),
  },
  kaiming_normal: {
    help: 'normal with deviation √(2 / inputs)',
    draw: (_rows, cols) => normal(Math.sqrt(2 / cols)),
  },
} as const satisfies Record<string, InitMethod>

export type InitMethodName = keyof typeof initMethods
export const initMethodNames = Object.keys(initMethods) as readonly InitMethodName[]
