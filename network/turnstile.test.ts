import { expect, test } from 'vitest'
import { createTurnstile } from './turnstile.ts'

const never = new AbortController().signal

test('only as many as there are places, in order; who gives up leaves the line', async () => {
  const turnstile = createTurnstile(1)
  const order: string[] = []
  const leave = await turnstile.enter(never)
  const quitter = new AbortController()
  const enter = (name: string, signal: AbortSignal) =>
    turnstile.enter(signal).then((leaveAgain) => {
      order.push(name)
      leaveAgain()
      leaveAgain()
    })
  const gaveUp = enter('quitter', quitter.signal)
  const [second, third] = [enter('second', never), enter('third', never)]
  quitter.abort(new Error('gone'))
  await expect(gaveUp).rejects.toThrow('gone')
  expect(order).toEqual([])
  leave()
  await Promise.all([second, third])
  expect(order).toEqual(['second', 'third'])
  // Leaving twice above gave back one place, not two.
  await turnstile.enter(never)
  const full = new AbortController()
  const waiting = turnstile.enter(full.signal)
  full.abort(new Error('still full'))
  await expect(waiting).rejects.toThrow('still full')
})
