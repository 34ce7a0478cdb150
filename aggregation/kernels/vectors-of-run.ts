import { freshVectors, type Vectors } from '../vectors.ts'
import { kernelsFor } from './kernels.ts'

/**
 * What a worker needs at once: its error feedback before a round, Δ with the error feedback after it in its place, and its
 * replica's mean. So no more than two models' worth of memory is kept that is not in use.
 */
const placesOfRun = 3

/**
 * The vectors of one run on this node, for as long as it is referred to: where the kernels need not copy them, as soon as
 * large ones are asked for and the kernels are loaded; fresh ones until then, and where there is no room.
 */
export function vectorsOfRun(): Vectors {
  let places: Vectors | null = null
  return {
    take: (length) => {
      const kernels = kernelsFor(length)
      // Where there is no room now, none is asked for again: that is not cheap.
      if (kernels !== null) places ??= kernels.placesFor(length, placesOfRun) ?? freshVectors
      return (places ?? freshVectors).take(length)
    },
    release: (vector) => places?.release(vector),
  }
}
