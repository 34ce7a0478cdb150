import type { TaskName } from './cell.ts'

const names: Readonly<Record<TaskName, string>> = {
  test: 'the model of the tests',
  micro: 'GPT 12 k',
  mini: 'GPT 43 k',
  gpt: 'GPT 0.9 M',
  mnist: 'CNN 9 k on digits, every worker sees all',
  'mnist-by-label': 'CNN 9 k on digits, a worker sees two or three of ten',
}

/** What a task is called on the page and in plans. */
export const nameOf = (task: TaskName): string => names[task]
