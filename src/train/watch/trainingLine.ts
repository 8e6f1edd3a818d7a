/** Where a training stands; what is not known is left out. */
export interface TrainingProgress {
  readonly step: number
  /** Steps that there will be. */
  readonly steps: number
  readonly loss: number
  readonly validationLoss?: number
  readonly learningRate: number
  readonly gradientNorm?: number
  readonly tokensPerSecond?: number
  /** Share of the multiply-adds that the machine can do, 0 to 1. */
  readonly ofPeak?: number
  readonly secondsLeft?: number
}

/** One line of a training's progress, without a line end. */
export function trainingLine(progress: TrainingProgress): string {
  const { step, steps, loss, validationLoss, learningRate, gradientNorm, tokensPerSecond, ofPeak, secondsLeft } =
    progress
  const width = String(steps).length
  return [
    `step ${String(step).padStart(width)}/${steps}`,
    `loss ${loss.toFixed(4)}`,
    validationLoss === undefined ? '' : `validation ${validationLoss.toFixed(4)}`,
    `lr ${learningRate.toExponential(2)}`,
    gradientNorm === undefined ? '' : `norm ${gradientNorm.toPrecision(3)}`,
    tokensPerSecond === undefined ? '' : `${withPrefix(tokensPerSecond)} tokens/s`,
    ofPeak === undefined ? '' : `${Math.round(100 * ofPeak)} % of peak`,
    secondsLeft === undefined ? '' : `${duration(secondsLeft)} left`,
  ]
    .filter((part) => part !== '')
    .join('  ')
}

/** Three digits, in thousands or millions from there on. */
function withPrefix(value: number): string {
  const [divisor, letter] = value >= 999_500 ? [1e6, 'M'] : value >= 999.5 ? [1e3, 'k'] : [1, '']
  const scaled = value / divisor
  return `${scaled >= 99.95 ? Math.round(scaled) : scaled.toFixed(scaled >= 9.995 ? 1 : 2)}${letter}`
}

/** The two greatest units: `2d 04h`, `3h 05m`, `4m 09s`, `8s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const units = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'm'],
    [1, 's'],
  ] as const
  const at = units.findIndex(([size]) => whole >= size)
  if (at < 0 || at === units.length - 1) return `${whole}s`
  const [size, name] = units[at]!
  const [nextSize, nextName] = units[at + 1]!
  return `${Math.floor(whole / size)}${name} ${String(Math.floor((whole % size) / nextSize)).padStart(2, '0')}${nextName}`
}
