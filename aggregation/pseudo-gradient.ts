import { invariant } from '../protocol/errors.ts'
import { kernelsFor } from './kernels/kernels.ts'

/** Δ = θ(round start) − θ(after the inner steps), written to `into`, which may be either argument. */
export function pseudoGradient(start: Float32Array, end: Float32Array, into: Float32Array): Float32Array {
  invariant(start.length === end.length && into.length === end.length, 'two states of one program')
  const kernels = kernelsFor(into.length)
  if (kernels !== null) kernels.difference(start, end, into)
  else for (let index = 0; index < start.length; index++) into[index] = start[index]! - end[index]!
  return into
}

/** The same, and `back` ← −Δ. `into` may be `start`, `back` may be `end`. */
export function pseudoGradientBothWays(
  start: Float32Array,
  end: Float32Array,
  into: Float32Array,
  back: Float32Array,
): void {
  invariant(
    [start, into, back].every(({ length }) => length === end.length),
    'two states of one program',
  )
  const kernels = kernelsFor(into.length)
  if (kernels !== null) {
    kernels.differenceBothWays(start, end, into, back)
    return
  }
  for (let index = 0; index < into.length; index++) {
    into[index] = start[index]! - end[index]!
    back[index] = -into[index]!
  }
}
