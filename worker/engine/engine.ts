import type { ProgramInfo } from '../../program/check-program.ts'
import type { DecodingPrograms } from '../../program/decoding-programs.ts'
import type { Hash } from '../../protocol/ids.ts'
import type { EngineName } from './engine-names.ts'

/** One model replica between two steps: flat vectors of N values in the parameter table's order. */
export interface TrainState {
  readonly params: Float32Array
  /** The optimizer's vectors, in the program's slot order (AdamW: first and second moment). */
  readonly optimizer: readonly Float32Array[]
  /** Optimizer steps taken so far; drives the bias corrections. */
  readonly step: number
}

/** Values of a tensor, row-major: int64 or float32. */
export type TensorData = BigInt64Array | Float32Array

/** One batch, of the types and shapes that the program's info says. */
export interface Batch {
  readonly inputs: TensorData
  readonly targets: TensorData
}

export interface StepOptions {
  readonly learningRate: number
  /**
   * An aborted step has not been taken: the state is as it was before it. What its library is in the middle of is
   * finished first; an abort that comes after the end of the step is none, and the step has been taken.
   */
  readonly signal?: AbortSignal
}

export interface StepResult {
  /** Mean loss over the batch, before the update; a mean squared error where the program is a regression. */
  readonly lossNats: number
  /** L2 norm of the whole gradient, before clipping. */
  readonly gradNorm: number
  /** Milliseconds from its begin to its end where it ran, whenever it was asked for and its answer came. */
  readonly tookMs: number
}

/** Does what it is asked in the order in which it is asked: the next step may be asked for before the last one is answered. */
export interface TrainingSession {
  readonly info: ProgramInfo
  /** Copies the state in, which must stay as it is until that is answered. Throws STATE_SHAPE_INVALID. */
  writeState(state: TrainState): Promise<void>
  /** A copy of the state: later steps do not change it. */
  readState(): Promise<TrainState>
  /** `boundaryHash` of the state (verification/trace.ts), computed where the state is. */
  digest(): Promise<Hash>
  /** One optimizer step. Throws TRAINING_DIVERGED, or the signal's reason, and then leaves the state as it was. */
  step(batch: Batch, options: StepOptions): Promise<StepResult>
  close(): Promise<void>
}

export interface Evaluation {
  /** Mean loss of a batch: nats a token or row, or a mean squared error. */
  readonly lossNats: number
  /** Share of rows whose likeliest class is theirs; null unless the program classifies. */
  readonly accuracy: number | null
}

export interface EvaluationSession {
  readonly info: ProgramInfo
  /** `params` has N values and is only read. */
  evaluate(params: Float32Array, batch: Batch): Promise<Evaluation>
  close(): Promise<void>
}

export interface SamplingSession {
  readonly info: ProgramInfo
  /** What the model says of one row of inputs, of the shape `info.logits`: of a text, [context, vocabulary]. */
  logits(params: Float32Array, inputs: TensorData): Promise<Float32Array>
  close(): Promise<void>
}

/** Makes a text token by token, with the keys and values of earlier ones kept. Logits are [vocabulary] each. */
export interface DecodingSession {
  readonly info: ProgramInfo
  /** Tokens of a window. */
  readonly context: number
  /** Has N values; it is only read, and must stay as it is until the next call or the close. Throws STATE_SHAPE_INVALID. */
  writeParameters(params: Float32Array): Promise<void>
  /** Begins a window: what follows its tokens. Throws BATCH_SHAPE_INVALID: none, or more than `context`. */
  prefill(tokens: readonly number[]): Promise<Float32Array>
  /** What follows one more token. Throws BATCH_SHAPE_INVALID: no window was begun, or it is full. */
  next(token: number): Promise<Float32Array>
  close(): Promise<void>
}

/** What it computes on, as nodes offer it. */
export type DeviceKind = 'cpu' | 'webgpu' | 'cuda'

/** Runs training programs. Every load checks the program first (`checkProgram`). */
export interface Engine {
  readonly name: EngineName
  readonly device: DeviceKind
  /** Whether equal class promises equal bits. Graphics cards promise nothing of the kind. */
  readonly exact: boolean
  /** What decides its bits: engine, version, instruction set or device, threads, optimization level. */
  readonly engineClass: string
  loadTraining(program: Uint8Array, signal?: AbortSignal): Promise<TrainingSession>
  loadEvaluation(program: Uint8Array, signal?: AbortSignal): Promise<EvaluationSession>
  loadSampling(program: Uint8Array, signal?: AbortSignal): Promise<SamplingSession>
  loadDecoding(programs: DecodingPrograms, signal?: AbortSignal): Promise<DecodingSession>
}
