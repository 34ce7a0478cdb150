import { invalidModel } from './invalid-model.ts'
import { layOut, type ParameterTable } from './parameter-table.ts'

/**
 * The table with the parameters frozen whose names a pattern matches: no gradient, no decay, so that their update is zero
 * to the bit; statistics are then kept as well. They lie behind all others.
 * @param patterns names in which `*` stands for anything
 * @throws MurmurError MODEL_INVALID (exit `usage`): a pattern without a parameter, or nothing left to train.
 */
export function frozen(table: ParameterTable, patterns: readonly string[]): ParameterTable {
  if (patterns.length === 0) return table
  for (const pattern of patterns) {
    if (!table.parameters.some(({ name }) => matches(pattern, name)))
      throw invalidModel(
        `freeze has ${pattern}, which is no parameter: they are ${namesOf(table.parameters)}`,
      )
  }
  const parameters = table.parameters.map(({ offset, ...parameter }) =>
    patterns.some((pattern) => matches(pattern, parameter.name))
      ? { ...parameter, decay: false, role: 'frozen' as const }
      : parameter,
  )
  const laidOut = layOut(parameters)
  if (laidOut.trainedCount === 0) throw invalidModel('freeze leaves nothing to train')
  return laidOut
}

/** Whether a name is a pattern's; piece by piece from the left, so that many stars cost no more than one. */
export function matches(pattern: string, name: string): boolean {
  const [first, ...rest] = pattern.split('*') as [string, ...string[]]
  const last = rest.pop()
  if (last === undefined) return name === pattern
  if (!name.startsWith(first)) return false
  let at = first.length
  for (const piece of rest) {
    const found = name.indexOf(piece, at)
    if (found === -1) return false
    at = found + piece.length
  }
  return name.length - last.length >= at && name.endsWith(last)
}

export function namesOf(parameters: readonly { readonly name: string }[]): string {
  const names = parameters.map(({ name }) => name)
  return names.length > 12 ? `${names.slice(0, 12).join(', ')}, …` : names.join(', ')
}
