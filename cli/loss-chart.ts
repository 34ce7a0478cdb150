/** A small text chart: one column a value (averaged when there are more than `width`), highest on top. */
export function lossChart(values: readonly number[], width = 60, height = 8): string[] {
  if (values.length === 0) return ['(no rounds)']
  const columns = shrink(values, width)
  const top = Math.max(...columns)
  const bottom = Math.min(...columns)
  const span = top - bottom || 1
  const rows = columns.map((value) => Math.round(((value - bottom) / span) * (height - 1)))
  return Array.from({ length: height }, (_, index) => {
    const level = height - 1 - index
    const label = (bottom + (span * level) / (height - 1)).toFixed(2).padStart(6)
    return `${label} ┤${rows.map((row) => (row === level ? '●' : row > level ? '│' : ' ')).join(' ')}`.trimEnd()
  })
}

function shrink(values: readonly number[], width: number): number[] {
  if (values.length <= width) return [...values]
  return Array.from({ length: width }, (_, column) => {
    const from = Math.floor((column * values.length) / width)
    const part = values.slice(from, Math.floor(((column + 1) * values.length) / width))
    return part.reduce((sum, value) => sum + value, 0) / part.length
  })
}
