import { describe, expect, test } from 'vitest'
import { outerSgd } from '../aggregation/outer/sgd.ts'
import { weightedMean } from '../aggregation/rules/weighted-mean.ts'
import { sparseLoCo } from '../aggregation/sparse-loco.ts'
import { contentId, digestHash } from '../protocol/content-id.ts'
import { MurmurError } from '../protocol/errors.ts'
import { peer } from '../protocol/fixtures/names.ts'
import type { CidText, Hash } from '../protocol/ids.ts'
import { parseRunFile } from '../protocol/run-spec.ts'
import type { ManifestEntry } from '../protocol/wire.ts'
import type { TrainingSession } from '../worker/engine/engine.ts'
import { type RoundOutputs, trainRound } from '../worker/train-round.ts'
import { tolerance } from './distance.ts'
import { batches, shards } from './fixtures/byte-windows.ts'
import { fakeSession } from './fixtures/fake-session.ts'
import { emptyLocalState, type LocalState, localStateDigest, packLocalState } from './local-state.ts'
import { type Claim, type Outcome, type ReplayDependencies, replayRound } from './replay.ts'

const parameterCount = 300
const spec = parseRunFile(
  { model: { context: 4 }, train: { batch: 2, innerSteps: 8 }, audit: { segments: 4 } },
  'run.yaml',
)
const compressor = sparseLoCo({ chunkSize: 4096, k: 32, beta: 0.95 })
const averaging = { compressor, rule: weightedMean, outer: outerSgd(1), fragments: 1, eager: false }
const shape = { parameterCount, moments: 2, hasDrift: false }
const theta = Float32Array.from({ length: parameterCount }, (_, index) => Math.fround(Math.sin(index)))
const signal = new AbortController().signal

const steps = spec.train.innerSteps

interface Trained {
  readonly entry: ManifestEntry
  readonly blocks: Map<CidText, Uint8Array>
}

/** A worker's round, and the blocks that it serves; `forge` is what it claims instead of what it did. */
async function work(
  session: TrainingSession,
  forge = (of: RoundOutputs): RoundOutputs => of,
): Promise<Trained> {
  const local = emptyLocalState(shape)
  const block = packLocalState(local)
  const localDigest = localStateDigest(block)
  const inputs = {
    spec,
    session,
    averaging,
    batches,
    round: 3,
    slot: 1,
    steps,
    shards,
    theta,
    local,
    localDigest,
  }
  const outputs = forge(await trainRound(inputs, signal))
  const contribution = contentId(outputs.contribution, 'raw')
  return {
    entry: {
      worker: peer(1),
      contribution,
      contributionBytes: outputs.contribution.length,
      tokens: outputs.tokens,
      trace: [...outputs.trace],
      lossNats: outputs.lossNats,
    },
    blocks: new Map([
      [contentId(block, 'raw'), block],
      [contribution, outputs.contribution],
      [contentId(outputs.localBlock, 'raw'), outputs.localBlock],
    ]),
  }
}

interface Auditing {
  readonly session?: TrainingSession
  readonly sameEngineClass?: boolean
  readonly optimizer?: 'adamw' | 'lion'
  readonly compute?: 'f32' | 'f16'
  readonly fetch?: ReplayDependencies['fetch']
  readonly signal?: AbortSignal
}

function audit({ entry, blocks }: Trained, auditing: Auditing = {}): Promise<Outcome> {
  const claim: Claim = {
    worker: peer(1),
    round: 3,
    slot: 1,
    steps,
    entry,
    theta,
    sameEngineClass: auditing.sameEngineClass ?? true,
  }
  const stored = async (cid: CidText, maxBytes: number) => {
    const bytes = blocks.get(cid)
    if (bytes === undefined || bytes.length > maxBytes) {
      throw new MurmurError('BLOCK_UNAVAILABLE', { message: 'nobody has it', next: 'none' })
    }
    return bytes
  }
  const session = auditing.session ?? fakeSession()
  const fetch = auditing.fetch ?? stored
  const { optimizer = spec.train.optimizer, compute = spec.train.compute } = auditing
  const train = { ...spec.train, optimizer, compute }
  return replayRound(
    claim,
    {
      ...{ spec: { ...spec, train }, session, averaging, batches, shards, moments: 2 },
      ...{ trainedCount: parameterCount, fetch },
    },
    auditing.signal ?? signal,
  )
}

const refuted = (code: Outcome['code'], segment: number | null = null) => ({
  ...{ outcome: 'refuted', code, segment, distance: null },
})
const unavailable = { outcome: 'unavailable', code: 'STATE_UNAVAILABLE', segment: null, distance: null }

/** Claims the leaf at `index` (from the end when negative) to be `leaf`. */
const claiming =
  (index: number, leaf: Hash) =>
  (of: RoundOutputs): RoundOutputs => {
    const at = index < 0 ? of.trace.length + index : index
    return { ...of, trace: of.trace.with(at, leaf) }
  }
const nonsense: Hash = `0x${'ab'.repeat(32)}`

describe('on the same engine class, bit for bit', () => {
  test('an honest round is verified', async () => {
    expect(await audit(await work(fakeSession()))).toEqual({
      outcome: 'verified',
      code: 'OK',
      segment: null,
      distance: null,
    })
  })

  test.each([
    [0, 0],
    [1, 0],
    [5, 2],
    [7, 3],
  ])('leaving out step %i is found in segment %i', async (skipped, segment) => {
    const lazy = await work(fakeSession({ skips: (step) => step === skipped }))
    expect(await audit(lazy)).toEqual(refuted('SEGMENT_MISMATCH', segment))
  })

  test('a boundary that was made up', async () => {
    expect(await audit(await work(fakeSession(), claiming(2, nonsense)))).toEqual(
      refuted('SEGMENT_MISMATCH', 1),
    )
  })

  test('a contribution that does not come of the training', async () => {
    const forged = await work(fakeSession(), (of) => {
      const farther = of.end.map((value) => 10 * value)
      const { bytes } = compressor.compress(farther, new Float32Array(parameterCount))
      return { ...claiming(-2, digestHash(contentId(bytes, 'raw')))(of), contribution: bytes }
    })
    expect(await audit(forged)).toEqual(refuted('CONTRIBUTION_MISMATCH'))
  })

  test('a contribution that is not the one of the trace', async () => {
    expect(await audit(await work(fakeSession(), claiming(-2, nonsense)))).toEqual(
      refuted('TRACE_WITHOUT_CONTRIBUTION'),
    )
  })

  test('a local state that is not what the round left', async () => {
    expect(await audit(await work(fakeSession(), claiming(-1, nonsense)))).toEqual(
      refuted('LOCAL_STATE_MISMATCH'),
    )
  })

  test('other data than its own', async () => {
    const trained = await work(fakeSession())
    const { entry, blocks } = trained
    const claim: Claim = { worker: peer(1), round: 3, slot: 2, steps, entry, theta, sameEngineClass: true }
    const fetch = async (cid: CidText) => blocks.get(cid)!
    const outcome = await replayRound(
      claim,
      {
        spec,
        session: fakeSession(),
        averaging,
        batches,
        shards,
        moments: 2,
        trainedCount: parameterCount,
        fetch,
      },
      signal,
    )
    expect(outcome).toEqual(refuted('SEGMENT_MISMATCH', 0))
  })
})

describe('the state that the round started from', () => {
  test('is not served', async () => {
    const trained = await work(fakeSession())
    expect(await audit({ ...trained, blocks: new Map() })).toEqual(unavailable)
    const slow = async () =>
      await new Promise<never>((_, reject) => reject(new DOMException('too slow', 'TimeoutError')))
    expect(await audit(trained, { fetch: slow })).toEqual(unavailable)
  })

  /** Claims to have started from `block`. */
  async function startingFrom(block: Uint8Array): Promise<Trained> {
    const trained = await work(fakeSession(), claiming(0, localStateDigest(block)))
    return { ...trained, blocks: new Map([...trained.blocks, [contentId(block, 'raw'), block]]) }
  }

  test('is none', async () => {
    expect(await audit(await startingFrom(new Uint8Array(100)))).toEqual(refuted('STATE_MALFORMED'))
  })

  const failing = (code: string): TrainingSession => ({
    ...fakeSession(),
    step: async () => await Promise.reject(new MurmurError(code, { message: 'beyond 65,504', next: 'none' })),
  })
  const inHalf = { compute: 'f16', sameEngineClass: false } as const

  test('is poisoned: nobody can have trained from it', async () => {
    const poison: LocalState = emptyLocalState(shape)
    poison.moments[0]!.fill(Number.NaN)
    expect(await audit(await startingFrom(packLocalState(poison)))).toEqual(refuted('NOT_REPLAYABLE'))
    const residual: LocalState = emptyLocalState(shape)
    residual.errorFeedback.fill(Number.POSITIVE_INFINITY)
    expect(await audit(await startingFrom(packLocalState(residual)))).toEqual(refuted('NOT_REPLAYABLE'))
    // Float16 of another engine is no excuse for it: no engine can have trained from what is not finite.
    for (const state of [poison, residual])
      for (const session of [fakeSession(), failing('TRAINING_DIVERGED')])
        expect(await audit(await startingFrom(packLocalState(state)), { ...inHalf, session })).toEqual(
          refuted('NOT_REPLAYABLE'),
        )
  })

  test('is finite, and float16 of this engine class overflows from it: nothing is proven', async () => {
    const trained = await work(fakeSession())
    const session = failing('TRAINING_DIVERGED')
    const unproven = { ...refuted('NOT_REPLAYABLE'), outcome: 'unavailable' }
    expect(await audit(trained, { ...inHalf, session })).toEqual(unproven)
    // In float32, on the same class, or where it is the update that is none, it is the worker's doing.
    for (const other of [
      { ...inHalf, compute: 'f32' as const, session },
      { ...inHalf, sameEngineClass: true, session },
      { ...inHalf, session: failing('UPDATE_NOT_FINITE') },
    ])
      expect(await audit(trained, other)).toEqual(refuted('NOT_REPLAYABLE'))
  })
})

describe('an auditor’s own trouble refutes nobody', () => {
  test('a fault in fetching', async () => {
    const fetch = async () => await Promise.reject(new TypeError('a fault'))
    await expect(audit(await work(fakeSession()), { fetch })).rejects.toThrow('a fault')
  })

  test('an engine that fails', async () => {
    const session = { ...fakeSession(), step: async () => await Promise.reject(new Error('out of memory')) }
    await expect(audit(await work(fakeSession()), { session })).rejects.toThrow('out of memory')
  })

  test('an audit that is called off', async () => {
    const called = AbortSignal.abort(new Error('the head is shutting down'))
    const trained = { ...(await work(fakeSession())), blocks: new Map() }
    await expect(audit(trained, { signal: called })).rejects.toThrow('shutting down')
  })
})

describe('between engine classes, within a tolerance', () => {
  const elsewhere = { sameEngineClass: false }

  test('the noise of another engine is verified, and its distance told', async () => {
    const outcome = await audit(await work(fakeSession({ noise: 1e-5 })), elsewhere)
    expect(outcome).toMatchObject({ outcome: 'verified', code: 'OK_WITHIN_TOLERANCE', segment: null })
    expect(outcome.distance).toBeGreaterThan(0)
    expect(outcome.distance).toBeLessThan(tolerance)
  })

  test('equal bits need no tolerance', async () => {
    expect(await audit(await work(fakeSession()), elsewhere)).toMatchObject({ code: 'OK', distance: null })
  })

  test('a step left out is not', async () => {
    const lazy = await work(fakeSession({ skips: (step) => step === 4 }))
    const outcome = await audit(lazy, elsewhere)
    expect(outcome).toMatchObject({ outcome: 'refuted', code: 'OUT_OF_TOLERANCE' })
    expect(outcome.distance).toBeGreaterThan(tolerance)
  })

  test('where honest engines rarely lie nothing is proven, beyond that the worker is refuted; Lion may lie farther, and so may float16', async () => {
    const found = []
    for (const noise of [0.01, 0.05, 0.14, 0.4, 0.8]) {
      const trained = await work(fakeSession({ noise }))
      const { outcome, distance } = await audit(trained, elsewhere)
      const lion = await audit(trained, { ...elsewhere, optimizer: 'lion' as const })
      const half = await audit(trained, { ...elsewhere, compute: 'f16' as const })
      found.push([distance!.toFixed(2), outcome, lion.outcome, half.outcome])
    }
    expect(found).toEqual([
      ['0.01', 'verified', 'verified', 'verified'],
      ['0.05', 'unavailable', 'verified', 'verified'],
      ['0.13', 'unavailable', 'unavailable', 'verified'],
      ['0.37', 'refuted', 'refuted', 'unavailable'],
      ['0.73', 'refuted', 'refuted', 'refuted'],
    ])
  })

  const noisy = () => work(fakeSession({ noise: 1e-5 }))

  /** Claims to have ended with `local`. */
  async function endingWith(local: LocalState): Promise<Trained> {
    const block = packLocalState(local)
    const trained = await work(fakeSession({ noise: 1e-5 }), claiming(-1, localStateDigest(block)))
    return { ...trained, blocks: new Map([...trained.blocks, [contentId(block, 'raw'), block]]) }
  }

  test('error feedback that was not kept', async () => {
    expect(await audit(await endingWith(emptyLocalState(shape)), elsewhere)).toMatchObject({
      code: 'OUT_OF_TOLERANCE',
    })
  })

  test('error feedback that is not a number is within no tolerance, and its verdict can be written', async () => {
    const poison = emptyLocalState(shape)
    poison.errorFeedback.fill(Number.NaN)
    expect(await audit(await endingWith(poison), elsewhere)).toEqual(refuted('OUT_OF_TOLERANCE'))
  })

  test('a local state after the round that is not served, or is none', async () => {
    const { entry, blocks } = await noisy()
    const last = [...blocks.keys()].at(-1)!
    const without = new Map([...blocks].filter(([cid]) => cid !== last))
    expect(await audit({ entry, blocks: without }, elsewhere)).toEqual(unavailable)
    const broken = new Map([...blocks, [last, new Uint8Array(3)]] as const)
    expect(await audit({ entry, blocks: broken }, elsewhere)).toEqual(refuted('STATE_MALFORMED'))
  })
})
