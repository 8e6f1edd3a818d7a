import type { PlacedBuffer } from '../plan/planMemory.ts'
import { commentText, stringLiteral } from './identifier.ts'
import type { ModelSource } from './modelSource.ts'

/** The buffers that outlive a step; all programs have the same. */
export function statesOf({ programs, plan }: ModelSource): readonly PlacedBuffer[] {
  return plan.buffers[programs[0]!.mode]!.filter(({ region }) => region === 'state')
}

/** The table of what outlives a step, for saving and copying; nothing where the model has no states. */
export function printStates(source: ModelSource): readonly string[] {
  const states = statesOf(source)
  if (states.length === 0) return []
  const rows = states.map((buffer) => {
    const { name, dtype, shape, offset, bytes, state } = buffer
    const ofSequence = bytes / Number(shape[0])
    const [kind, layout] =
      state?.kind === 'positions'
        ? [
            'POSITIONS',
            `, ${state.rows}, ${state.lanes}, {${state.parts.map((part) => `{${part.count}, ${part.bytes}}`).join(', ')}}`,
          ]
        : ['WHOLE', ', 0, 0, {{0, 0}}']
    const comment = commentText(`${dtype} [${shape.join(', ')}]`)
    return `    {${stringLiteral(name)}, CK_STATE_${kind}, ${offset}u, ${ofSequence}u${layout}}, /* ${comment} */`
  })
  return [
    `/* What outlives a step: place and bytes of a sequence; rows, positions of a panel and the panel's parts. */\nstatic const ck_state states[${states.length}] = {\n${rows.join('\n')}\n};`,
  ]
}
