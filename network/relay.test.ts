import { afterEach, beforeEach, expect, test } from 'vitest'
import { contentId } from '../protocol/content-id.ts'
import { createLoopback, type Loopback, testSignal } from './loopback.ts'
import type { ReservationProgress } from './reservations.ts'

let loopback: Loopback
beforeEach(() => {
  loopback = createLoopback()
})
afterEach(async () => {
  await loopback[Symbol.asyncDispose]()
})

/** What a node says of its places, and a way to wait for it; its pauses take no time, each is of a turn. */
function listening() {
  const told: ReservationProgress[] = []
  let wake = (): void => {}
  return {
    told,
    dependencies: {
      onReservation: (progress: ReservationProgress) => {
        told.push(progress)
        wake()
      },
      sleep: () => new Promise<void>((next) => setTimeout(next, 20)),
      draw: () => 0,
    },
    async until(kind: ReservationProgress['kind'], times = 1): Promise<void> {
      while (told.filter((progress) => progress.kind === kind).length < times)
        await new Promise<void>((resolve, reject) => {
          wake = resolve
          testSignal().addEventListener('abort', () =>
            reject(new Error(`no ${kind} in ${JSON.stringify(told)}`)),
          )
        })
    },
  }
}

const always = { listen: [], reserveWhen: 'always' } as const

test('places are bounded, and one whose holder left is free again', async () => {
  const relay = await loopback.start({ relay: { serve: true, reservationsMax: 1 } })
  const reserveAt = [relay.addresses()[0]!]
  const [first, second] = [listening(), listening()]
  const holder = await loopback.start({ ...always, reserveAt }, first.dependencies)
  await first.until('reserved')
  await loopback.start({ ...always, reserveAt }, second.dependencies)
  await second.until('refused')
  expect(second.told[0]).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('RESERVATION_REFUSED'),
  })
  await holder.stop()
  await second.until('reserved')
})

test('who is seen under its own address asks for no place; a node that does not relay is told as such', async () => {
  const [relay, plain] = [await loopback.start({ relay: { serve: true } }), await loopback.start()]
  const { told, dependencies, until } = listening()
  const node = await loopback.start({ listen: [], reserveAt: [relay.addresses()[0]!] }, dependencies)
  await until('not-needed')
  expect(told).toEqual([{ kind: 'not-needed', relay: relay.self }])
  expect(node.addresses()).toEqual([])
  expect(node.reachability()).toBe('unknown')
  expect(node.observedAddresses()).toEqual([
    expect.objectContaining({ observer: relay.self, observedHost: '127.0.0.1' }),
  ])
  const { promise, resolve } = Promise.withResolvers<unknown>()
  await loopback.start(
    { ...always, reserveAt: [plain.addresses()[0]!] },
    { ...listening().dependencies, onFault: resolve },
  )
  expect(await promise).toMatchObject({ code: 'NOT_A_RELAY', exit: 'unreachable' })
  await expect(loopback.start({ reserveAt: ['nonsense'] })).rejects.toMatchObject({ code: 'ADDRESS_INVALID' })
})

test('a place that was lost with its relay is asked for again when the relay is back', async () => {
  const { dependencies, until } = listening()
  const relay = await loopback.start({ relay: { serve: true } })
  const address = relay.addresses()[0]!.replace(/\/p2p\/.*/, '')
  const node = await loopback.start({ ...always, reserveAt: [address] }, dependencies)
  await until('reserved')
  expect(node.addresses()).toHaveLength(1)
  await relay.stop()
  await until('refused')
  expect(node.addresses()).toEqual([])
  const again = await loopback.start({ listen: [address], relay: { serve: true } })
  await until('reserved', 2)
  const caller = await loopback.start({ listen: [] })
  expect(await caller.dial(node.addresses().find((own) => own.includes(again.self))!, testSignal())).toBe(
    node.self,
  )
})

test('a relayed connection ends at its bound of bytes, and can be made anew', async () => {
  const relay = await loopback.start({ relay: { serve: true, connectionBytes: 1_000_000 } })
  const reserveAt = [relay.addresses()[0]!]
  const { dependencies, until } = listening()
  const holder = await loopback.start({ ...always, reserveAt }, dependencies)
  await until('reserved')
  const asker = await loopback.start({ listen: [] })
  const [address] = holder.addresses()
  const small = new Uint8Array(500_000).fill(1)
  const large = new Uint8Array(1_500_000).fill(2)
  holder.serveBlocks({ get: async (cid) => (cid === contentId(small, 'raw') ? small : large) })
  const fetch = (block: Uint8Array) =>
    asker.fetchBlock([holder.self], contentId(block, 'raw'), { signal: testSignal(), maxBytes: block.length })
  await asker.dial(address!, testSignal())
  expect(await fetch(small)).toHaveLength(small.length)
  const gone = new Promise<void>((resolve) => asker.onDisconnect((peer) => peer === holder.self && resolve()))
  await expect(fetch(large)).rejects.toMatchObject({ code: 'BLOCK_UNAVAILABLE' })
  await gone
  await asker.dial(address!, testSignal())
  expect(await fetch(small)).toHaveLength(small.length)
})
