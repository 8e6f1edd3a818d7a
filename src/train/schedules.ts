/**
 * How the learning rate goes over the steps of a run. `warmup` steps lead up to the peak in a line, from 0 (`wsd`: from
 * `final`); `final` is the rate that the last step comes to, as a part of the peak.
 * - `constant`: the peak.
 * - `linear`, `cosine`: a line, or half a period of a cosine, down to `final` at step `steps`.
 * - `wsd`: the peak, and over the last `decay` steps down to `final`: in a line, along a cosine, or as 1 - sqrt(x).
 */
export type Schedule =
  | { readonly kind: 'constant'; readonly warmup: number }
  | { readonly kind: 'linear' | 'cosine'; readonly warmup: number; readonly steps: number; readonly final: number }
  | {
      readonly kind: 'wsd'
      readonly warmup: number
      readonly decay: number
      readonly steps: number
      readonly final: number
      readonly shape: 'linear' | 'cosine' | 'root'
    }

/**
 * The learning rate of a step as a part of the peak. Steps count from 0, and the first one of a warm-up from 0 has the rate 0,
 * as in transformers.optimization; steps beyond the last have the last rate. A function of the step alone, in float64.
 */
export function rateFactor(schedule: Schedule, step: number): number {
  const { warmup } = schedule
  const rising = step / Math.max(1, warmup)
  switch (schedule.kind) {
    case 'constant':
      return step < warmup ? rising : 1
    case 'linear':
    case 'cosine': {
      if (step < warmup) return rising
      const passed = Math.min(1, (step - warmup) / Math.max(1, schedule.steps - warmup))
      return above(schedule.final, falls[schedule.kind](passed))
    }
    case 'wsd': {
      if (step < warmup) return above(schedule.final, rising)
      const begin = schedule.steps - schedule.decay
      if (step < begin) return 1
      const passed = Math.min(1, (step - begin) / Math.max(1, schedule.decay))
      return above(schedule.final, passed === 1 ? 0 : falls[schedule.shape](passed))
    }
    default:
      return schedule satisfies never
  }
}

/** From 1 to 0, at `passed` of the way. */
const falls = {
  linear: (passed: number) => 1 - passed,
  cosine: (passed: number) => 0.5 * (1 + Math.cos(Math.PI * passed)),
  root: (passed: number) => 1 - Math.sqrt(passed),
}

/** From `final` to 1, at `part` of the way. */
function above(final: number, part: number): number {
  return part * (1 - final) + final
}
