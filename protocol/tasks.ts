/** What the targets are: the tokens one later, a class of each row, or values. */
export const taskKinds = ['language', 'classification', 'regression'] as const
export type TaskKind = (typeof taskKinds)[number]
