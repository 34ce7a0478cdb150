import { parentPort, workerData } from 'node:worker_threads'
import { errorText, invariant, MurmurError } from '../../protocol/errors.ts'
import { createEngine } from './create-engine.ts'
import type { TrainingSession, TrainState } from './engine.ts'
import {
  buffersOf,
  type EngineAnswer,
  type EngineCall,
  type EngineThreadData,
  stepAborted,
} from './threaded-engine.ts'
import { threadedHasher } from './threaded-hasher.ts'

/** The other side of threaded-engine.ts: holds one session and answers its calls one after the other. */
const port = parentPort
invariant(port !== null, 'this file runs as a thread')
const { engine, program, threads } = workerData as EngineThreadData

const opening = open()
// The first call is told why there is no session; nobody else needs to hear of it.
opening.catch(() => {})
let queue: Promise<void> = Promise.resolve()
const aborts = new Map<number, AbortController>()

port.on('message', (call: EngineCall) => {
  if (call.method === 'abort') {
    aborts
      .get(call.id)
      ?.abort(new MurmurError(stepAborted, { message: 'aborted', next: 'take the step again' }))
    return
  }
  if (call.method === 'step') aborts.set(call.id, new AbortController())
  const answered = queue.then(() => ({ done: answer(call) }))
  // The session takes a digest in its turn, and goes on before it is there.
  queue = answered.then(({ done }) => (call.method === 'digest' ? undefined : done))
})

async function open() {
  const created = await createEngine(engine, { threads, newHasher: threadedHasher })
  switch (program.kind) {
    case 'training':
      return await created.loadTraining(program.bytes)
    case 'evaluation':
      return await created.loadEvaluation(program.bytes)
    case 'sampling':
      return await created.loadSampling(program.bytes)
    case 'decoding':
      return await created.loadDecoding(program.programs)
    default:
      return program satisfies never
  }
}

async function answer({ id, method, args }: EngineCall): Promise<void> {
  try {
    const session = await opening
    const value = await called(session, { id, method, args })
    const given = method === 'readState' ? buffersOf(value as TrainState) : []
    port!.postMessage({ id, value } satisfies EngineAnswer, given)
  } catch (error) {
    port!.postMessage({ id, error: describe(error) } satisfies EngineAnswer)
  } finally {
    aborts.delete(id)
    // Nothing else keeps this thread: it ends.
    if (method === 'close') port!.close()
  }
}

async function called(session: object, { id, method, args }: EngineCall): Promise<unknown> {
  if (method === 'step') {
    const [batch, options] = args as Parameters<TrainingSession['step']>
    return await (session as TrainingSession).step(batch, { ...options, signal: aborts.get(id)!.signal })
  }
  const member = session[method as keyof typeof session] as unknown
  return typeof member === 'function'
    ? await (member as (...given: readonly unknown[]) => unknown)(...args)
    : member
}

function describe(error: unknown): Extract<EngineAnswer, { error: unknown }>['error'] {
  if (error instanceof MurmurError) {
    const { code, message, next, exit, verdict, details } = error
    return { code, message, next, exit, verdict, details }
  }
  return {
    code: 'ENGINE_FAILED',
    message: errorText(error),
    next: 'load the program again; lower train.batch if memory is short',
  }
}
