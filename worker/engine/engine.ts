import type { ProgramInfo } from '../../program/check-program.ts'

/** One model replica between two steps: flat vectors of N values in the parameter table's order. */
export interface TrainState {
  readonly params: Float32Array
  /** The optimizer's vectors, in the program's slot order (AdamW: first and second moment). */
  readonly optimizer: readonly Float32Array[]
  /** Optimizer steps taken so far; drives the bias corrections. */
  readonly step: number
}

/** Token ids, row-major [batch, context]: `batch · context` values each. */
export interface Batch {
  readonly inputs: BigInt64Array
  readonly targets: BigInt64Array
}

export interface StepOptions {
  readonly learningRate: number
}

export interface StepResult {
  /** Mean cross-entropy over the batch's tokens, before the update. */
  readonly lossNats: number
  /** L2 norm of the whole gradient, before clipping. */
  readonly gradNorm: number
}

export interface TrainingSession {
  readonly info: ProgramInfo
  /** Copies the state in. Throws STATE_SHAPE_INVALID. */
  writeState(state: TrainState): Promise<void>
  /** A copy of the state: later steps do not change it. */
  readState(): Promise<TrainState>
  /** One optimizer step. Throws TRAINING_DIVERGED, and then leaves the state as it was. */
  step(batch: Batch, options: StepOptions): Promise<StepResult>
  close(): Promise<void>
}

export interface EvaluationSession {
  readonly info: ProgramInfo
  /** Mean cross-entropy of a batch in nats a token. `params` has N values and is only read. */
  evaluate(params: Float32Array, batch: Batch): Promise<number>
  close(): Promise<void>
}

export interface SamplingSession {
  readonly info: ProgramInfo
  /** Logits of every position, row-major [context, vocabulary]. `tokens` has `context` values. */
  logits(params: Float32Array, tokens: BigInt64Array): Promise<Float32Array>
  close(): Promise<void>
}

/** Runs training programs. Every load checks the program first (`checkProgram`). */
export interface Engine {
  readonly name: string
  /** Equal class promises equal bits: engine, version, instruction set, threads, optimization level. */
  readonly engineClass: string
  loadTraining(program: Uint8Array, signal?: AbortSignal): Promise<TrainingSession>
  loadEvaluation(program: Uint8Array, signal?: AbortSignal): Promise<EvaluationSession>
  loadSampling(program: Uint8Array, signal?: AbortSignal): Promise<SamplingSession>
}
