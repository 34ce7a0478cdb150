import { expect, test } from 'vitest'
import { links, some, stores } from '../checkpoints/fixtures/stores.ts'
import type { KeptFor } from '../checkpoints/kept-blocks.ts'
import { contentId } from '../protocol/content-id.ts'
import type { RunId } from '../protocol/ids.ts'
import { KeptRuns, keptMs } from './kept-runs.ts'

const { openIn } = stores()
const { run } = links
const table = [{ name: 'w', shape: [1], offset: 0 }]
const bytes = Buffer.from('a block')
const cid = contentId(bytes, 'raw')

async function opened() {
  const store = await openIn('worker')
  const kept = await store.kept()
  const clock = { nowMs: 0, now: () => clock.nowMs }
  const logged: string[] = []
  const runs = new KeptRuns({ kept, clock, log: (code) => logged.push(code) })
  return { store, kept, clock, runs, logged }
}

test('of a run the newest three checkpoints stay, whenever the process began', async () => {
  for (const round of [1, 3, 5, 7, 9]) {
    const { store, runs } = await opened()
    const keptFor: KeptFor = { run, kind: 'checkpoint', round }
    const state = { theta: Float32Array.of(round), vectors: [] }
    await store.writeCheckpoint(state, table, { ...links, round }, keptFor)
    await runs.wroteCheckpoint(run)
    const expected = [1, 3, 5, 7, 9].filter((each) => each <= round).slice(-3)
    expect((await store.list()).map(({ manifest }) => manifest.round)).toEqual(expected.reverse())
    await store.close()
  }
})

test('with its end go a run’s rounds, and a week later all of it; the run under way stays', async () => {
  const other = some('other run') as string as RunId
  const parts: KeptFor[] = [
    { run, kind: 'round', round: 4 },
    { run, kind: 'checkpoint', round: 3 },
    { run: other, kind: 'round', round: 4 },
  ]
  const first = await opened()
  for (const part of parts) await first.kept.name(part, [cid])
  await first.store.blocks.put(cid, bytes)
  await first.runs.ended(run)
  await first.store.close()

  const { store, kept, clock, runs } = await opened()
  expect([...kept.runs().keys()].sort()).toEqual([run, other].sort())
  const named = kept.runs().get(run)!
  clock.nowMs = named + keptMs - 1
  await runs.perhapsForget(other)
  expect(kept.runs().size).toBe(2)
  // Not looked at within the hour.
  clock.nowMs = named + keptMs + 3_000_000
  await runs.perhapsForget(other)
  expect(kept.runs().size).toBe(2)
  clock.nowMs = named + keptMs + 3_600_000
  await runs.perhapsForget(other)
  expect([...kept.runs().keys()]).toEqual([other])
  expect(await store.blocks.has(cid)).toBe(true)
  await runs.ended(other)
  expect(await store.blocks.has(cid)).toBe(false)
})

test('after the clock was set back a run is let go of a week after that was seen, and not before', async () => {
  const { store, kept, clock, runs } = await opened()
  await kept.name({ run, kind: 'run' }, [cid])
  const stamp = kept.runs().get(run)!
  const hourMs = 3_600_000
  const looks = async (nowMs: number) => {
    clock.nowMs = nowMs
    await runs.perhapsForget(null)
    return kept.runs().has(run)
  }
  // Of a process that has run for years, by a clock that is then set back to before the stamp.
  const backMs = stamp - 400 * 86_400_000
  expect(await looks(stamp + keptMs - 1)).toBe(true)
  expect(await looks(backMs)).toBe(true)
  expect(await looks(backMs + keptMs - 1)).toBe(true)
  // Worked for again.
  await kept.name({ run, kind: 'round', round: 1 }, [cid])
  expect(await looks(backMs + keptMs + hourMs)).toBe(true)
  // Set back once more.
  expect(await looks(backMs - hourMs)).toBe(true)
  expect(await looks(backMs - hourMs + keptMs - 1)).toBe(true)
  expect(await looks(backMs - hourMs + keptMs + hourMs)).toBe(false)
  await store.close()
})
