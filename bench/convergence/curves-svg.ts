import { describe } from './describe.ts'
import type { Finished } from './finished.ts'

const [width, height] = [920, 420]
const frame = { left: 56, right: 390, top: 16, bottom: 40 }
const colours = ['#222222', '#1b6ca8', '#c0392b', '#2e8b57', '#8e44ad', '#d68910', '#16a085', '#7f8c8d']

/** Held-out loss over inner steps (logarithmic), one line a cell, named beside the frame. */
export function curvesSvg(cells: readonly Finished[]): string {
  const lines = cells.map(({ outcome }) =>
    outcome.curve.map(({ step, lossNats }) => ({ x: Math.log2(step), y: lossNats })),
  )
  const points = lines.flat()
  const [left, right] = [Math.min(...points.map(({ x }) => x)), Math.max(...points.map(({ x }) => x))]
  const [low, high] = [
    Math.floor(Math.min(...points.map(({ y }) => y)) * 10) / 10,
    Math.ceil(Math.max(...points.map(({ y }) => y)) * 10) / 10,
  ]
  const across = (x: number) =>
    round(frame.left + ((x - left) / Math.max(1e-9, right - left)) * (width - frame.left - frame.right))
  const down = (y: number) =>
    round(frame.top + ((high - y) / Math.max(1e-9, high - low)) * (height - frame.top - frame.bottom))
  const grid = ticks(low, high).map(
    (y) =>
      `<line x1="${frame.left}" x2="${width - frame.right}" y1="${down(y)}" y2="${down(y)}" stroke="#dddddd"/>` +
      `<text x="${frame.left - 6}" y="${down(y) + 4}" text-anchor="end">${y.toFixed(1)}</text>`,
  )
  const marks = Array.from(
    { length: Math.floor(right) - Math.ceil(left) + 1 },
    (_, index) => Math.ceil(left) + index,
  )
  const scale = marks.map(
    (x) => `<text x="${across(x)}" y="${height - frame.bottom + 16}" text-anchor="middle">${2 ** x}</text>`,
  )
  const drawn = lines.map((line, index) => {
    const colour = colours[index % colours.length]!
    const at = line.map(({ x, y }) => `${across(x)},${down(y)}`).join(' ')
    const legend = frame.top + 12 + index * 18
    const labelX = width - frame.right + 12
    return (
      `<polyline points="${at}" fill="none" stroke="${colour}" stroke-width="1.6"/>` +
      `<line x1="${labelX}" x2="${labelX + 16}" y1="${legend - 4}" y2="${legend - 4}" stroke="${colour}" stroke-width="2"/>` +
      `<text x="${labelX + 22}" y="${legend}">${describe(cells[index]!.cell)}</text>`
    )
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    '<title>Held-out loss over the steps of every worker</title>',
    '<rect width="100%" height="100%" fill="white"/>',
    ...grid,
    ...scale,
    ...drawn,
    `<text x="${frame.left}" y="${height - 8}">steps of every worker; held-out loss, nats</text>`,
    '</svg>',
    '',
  ].join('\n')
}

const round = (value: number): number => Math.round(value * 10) / 10

function ticks(low: number, high: number): number[] {
  const step = high - low > 2 ? 0.5 : high - low > 0.8 ? 0.2 : 0.1
  const first = Math.ceil(low / step - 1e-9)
  return Array.from(
    { length: Math.floor(high / step + 1e-9) - first + 1 },
    (_, index) => (first + index) * step,
  )
}
