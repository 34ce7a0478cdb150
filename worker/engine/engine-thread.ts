import { parentPort, workerData } from 'node:worker_threads'
import { invariant, MurmurError } from '../../protocol/errors.ts'
import { ortCpuEngine } from './ort-cpu.ts'
import type { EngineAnswer, EngineCall, EngineThreadData } from './threaded-engine.ts'

/** The other side of threaded-engine.ts: holds one session and answers its calls one after the other. */
const port = parentPort
invariant(port !== null, 'this file runs as a thread')
const { kind, program, threads } = workerData as EngineThreadData

const opening = open()
// The first call is told why there is no session; nobody else needs to hear of it.
opening.catch(() => {})
let queue: Promise<void> = Promise.resolve()

port.on('message', (call: EngineCall) => {
  queue = queue.then(() => answer(call))
})

async function open() {
  const engine = ortCpuEngine({ threads })
  switch (kind) {
    case 'training':
      return await engine.loadTraining(program)
    case 'evaluation':
      return await engine.loadEvaluation(program)
    case 'sampling':
      return await engine.loadSampling(program)
    default:
      return kind satisfies never
  }
}

async function answer({ id, method, args }: EngineCall): Promise<void> {
  try {
    const session = await opening
    const member = session[method as keyof typeof session] as unknown
    const value =
      typeof member === 'function'
        ? await (member as (...given: readonly unknown[]) => unknown)(...args)
        : member
    port!.postMessage({ id, value } satisfies EngineAnswer)
  } catch (error) {
    port!.postMessage({ id, error: describe(error) } satisfies EngineAnswer)
  }
}

function describe(error: unknown): Extract<EngineAnswer, { error: unknown }>['error'] {
  if (error instanceof MurmurError) {
    const { code, message, next, exit, verdict, details } = error
    return { code, message, next, exit, verdict, details }
  }
  return {
    code: 'ENGINE_FAILED',
    message: error instanceof Error ? error.message : String(error),
    next: 'load the program again; lower train.batch if memory is short',
  }
}
