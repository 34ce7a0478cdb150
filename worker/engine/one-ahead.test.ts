import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { oneAhead } from './one-ahead.ts'

/** Asks of which each is answered by hand. */
function asks() {
  const asked: PromiseWithResolvers<number>[] = []
  const ask = (index: number) => {
    expect(index).toBe(asked.length)
    const answer = Promise.withResolvers<number>()
    asked.push(answer)
    return answer.promise
  }
  return { asked, ask }
}

test('answers come in order, and the next is asked for before the last has come, but no more than that', async () => {
  const { asked, ask } = asks()
  const answers = oneAhead(3, ask)
  for (let index = 0; index < 3; index++) {
    const answer = answers.next()
    expect(asked).toHaveLength(Math.min(index + 2, 3))
    asked[index]!.resolve(10 * index)
    expect(await answer).toEqual({ value: 10 * index, done: false })
  }
  expect((await answers.next()).done).toBe(true)
  expect((await oneAhead(0, ask).next()).done).toBe(true)
})

test('one that fails is told in its turn, and what was asked for ahead of it is over by then', async () => {
  const { asked, ask } = asks()
  const answers = oneAhead(9, ask)
  const first = answers.next()
  asked[1]!.reject(new Error('the second'))
  await turn()
  asked[0]!.resolve(0)
  await first
  let isOver = false
  const second = answers.next().catch((error: unknown) => {
    isOver = true
    return error
  })
  await turn()
  expect([asked.length, isOver]).toEqual([3, false])
  asked[2]!.resolve(2)
  expect(await second).toEqual(new Error('the second'))
  expect(asked).toHaveLength(3)
})

test('a reader that leaves waits for what was asked for ahead', async () => {
  const { asked, ask } = asks()
  let hasLeft = false
  const reading = (async () => {
    for await (const _ of oneAhead(9, ask)) break
    hasLeft = true
  })()
  asked[0]!.resolve(0)
  await turn()
  expect([asked.length, hasLeft]).toEqual([2, false])
  asked[1]!.reject(new Error('nobody hears of it'))
  await reading
  expect(hasLeft).toBe(true)
})
