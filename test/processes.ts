import { readdir, readFile } from 'node:fs/promises'

/** Every process below `root`, at any depth, as Linux's /proc tells it: chains and workers that nobody recorded too. */
export async function descendants(root: number): Promise<readonly number[]> {
  const children = new Map<number, number[]>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    // The second field, the command, may hold spaces and brackets: the parent's id is the second after its last bracket.
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const below = (pid: number): number[] =>
    (children.get(pid) ?? []).flatMap((child) => [child, ...below(child)])
  return below(root)
}

/** Those of `pids` that still run: a zombie, which only waits for its parent to take note, does not. */
export async function running(pids: readonly number[]): Promise<readonly number[]> {
  const states = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
      return { pid, state: stat.charAt(stat.lastIndexOf(')') + 2) }
    }),
  )
  return states.filter(({ state }) => state !== '' && state !== 'Z').map(({ pid }) => pid)
}
