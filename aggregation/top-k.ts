const absoluteMask = 0x7fffffff
const digits = new Uint32Array(256)

/**
 * Indices, relative to `start`, of the `count` largest magnitudes of `values[start, end)`, ascending, written to
 * `selected`. Between equal magnitudes the lower index wins, so the choice is the same on every host.
 * All values must be finite: then the bits of |x|, read as an integer, order as the magnitudes do.
 */
export function selectLargest(
  values: Float32Array,
  start: number,
  end: number,
  count: number,
  selected: Uint16Array,
): void {
  const keys = new Uint32Array(values.buffer, values.byteOffset + start * 4, end - start)
  const { threshold, above } = largestKey(keys, count)
  let ties = count - above
  let found = 0
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index]! & absoluteMask
    if (key > threshold) {
      selected[found++] = index
    } else if (key === threshold && ties > 0) {
      ties--
      selected[found++] = index
    }
  }
}

/** The `count`-th largest key and how many keys are above it, by radix selection: four counting passes, no sort. */
function largestKey(keys: Uint32Array, count: number): { threshold: number; above: number } {
  let prefix = 0
  let prefixMask = 0
  let wanted = count
  for (let shift = 24; shift >= 0; shift -= 8) {
    countDigits(keys, prefix, prefixMask, shift)
    let digit = 255
    while (digits[digit]! < wanted) wanted -= digits[digit--]!
    prefix |= digit << shift
    prefixMask |= 0xff << shift
  }
  return { threshold: prefix, above: count - wanted }
}

function countDigits(keys: Uint32Array, prefix: number, prefixMask: number, shift: number): void {
  digits.fill(0)
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index]! & absoluteMask
    if ((key & prefixMask) === prefix) {
      const digit = (key >>> shift) & 0xff
      digits[digit] = digits[digit]! + 1
    }
  }
}
