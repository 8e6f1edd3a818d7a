import type { ChatArtifact } from './chatArtifact.ts'
import type { ChatShape } from './contract.ts'

/** How a model chats, in a line. */
export function describeChat({ where, contract, reason, isInvalid }: ChatArtifact): string {
  if (isInvalid) return `no: ${reason ?? ''}`
  if (!contract) return `${where}, by the template only: ${reason ?? ''}`
  const { thinking, shapes, stops, exceptions } = contract
  const usual = shapes[thinking?.usual ?? 'on'] ?? shapes.on ?? shapes.off
  const parts = [
    ...(usual ? [describeSystem(usual)] : []),
    ...(thinking
      ? [`thinking ${shapes.on ? (shapes.off ? `on or off (usually ${thinking.usual})` : 'on') : 'off'}`]
      : []),
    `stops at ${stops.join(' ')}`,
    ...(exceptions.length > 0 ? [`treats ${exceptions.map(({ text }) => text).join(' ')} in a way of its own`] : []),
  ]
  return `${where}, as a contract: ${parts.join(', ')}`
}

function describeSystem({ system }: ChatShape): string {
  if (!system) return 'no system text'
  const places = {
    begin: 'system text first',
    first: 'system text in the first turn',
    last: 'system text in the last turn',
  }
  return places[system.place]
}
