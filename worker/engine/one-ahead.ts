/**
 * The answers to `ask(0)`, …, `ask(count − 1)`, in order, each asked for while the one before is awaited, so that who answers
 * never waits for who asks. Where one fails, or its reader leaves, the one asked for ahead is waited for and dropped.
 */
export async function* oneAhead<T>(
  count: number,
  ask: (index: number) => Promise<T>,
): AsyncGenerator<T, void, undefined> {
  let ahead: Promise<T> | null = null
  const asked = (index: number): Promise<T> => {
    ahead = ask(index)
    // It may fail while the one before is awaited: its reader is told when its turn comes, if it does.
    ahead.catch(() => {})
    return ahead
  }
  try {
    for (let index = 0, current = count > 0 ? asked(0) : null; current !== null; index++) {
      const next: Promise<T> | null = index + 1 < count ? asked(index + 1) : null
      yield await current
      current = next
    }
  } finally {
    await Promise.allSettled([ahead])
  }
}
