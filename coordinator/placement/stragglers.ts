/**
 * What a round's outcome makes of a member. After `missesBeforeDemotion` rounds in a row without an admitted contribution
 * it is demoted: it must warm up again before it is a member. It is readmitted as soon as it has, on probation: the count
 * is kept, so that one more miss demotes it at once, and only an admitted contribution clears it.
 */
export function afterRound(
  misses: number,
  admitted: boolean,
  missesBeforeDemotion: number,
): { readonly misses: number; readonly demoted: boolean } {
  if (admitted) return { misses: 0, demoted: false }
  return { misses: misses + 1, demoted: misses + 1 >= missesBeforeDemotion }
}
