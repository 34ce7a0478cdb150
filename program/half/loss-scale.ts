/**
 * What the loss is multiplied by before it is differentiated, and the gradient divided by after it, so that float16's
 * range holds what flows back (Micikevicius et al., "Mixed Precision Training", arXiv 1710.03740, section 3.2). A loss is
 * a mean over tokens or rows; the largest power of two up to their number undoes that, and gradients of single ones are of
 * order 1. A power of two, so that what stays in float32 keeps its bits; known when the program is built, so that a step
 * has no more state.
 * @param count tokens or rows of what is differentiated at once, 1 or more
 */
export function lossScale(count: number): number {
  let scale = 1
  while (scale * 2 <= count) scale *= 2
  return scale
}
