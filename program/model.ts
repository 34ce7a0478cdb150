import type { Graph } from './graph.ts'
import type { MemoryEstimate } from './memory.ts'
import type { Value } from './operators/operator.ts'
import type { ParameterTable } from './parameter-table.ts'
import type { TaskKind, TensorSignature } from './program-info.ts'

/**
 * What programs are built of: a forward pass over named parameters, and a loss. A preset makes one from a few numbers,
 * the import from an ONNX graph; both for one fixed batch, as programs have static shapes.
 */
export interface Model {
  readonly task: TaskKind
  /** One batch, rows first. */
  readonly inputs: TensorSignature
  readonly targets: TensorSignature
  /** What a step is counted as, in pay and in reports: tokens of text, rows of anything else. */
  readonly tokensPerStep: number
  readonly table: ParameterTable
  /** Null where it is not known before the program is built. */
  readonly memory: MemoryEstimate | null
  /** The same where each block is run again in the backward pass. */
  readonly recomputingMemory?: MemoryEstimate | null
  /** Names, with `*`, of the matrices that low-rank adapters take unless they are told; absent: all that can be adapted. */
  readonly loraTargets?: readonly string[]
  /** Appends the forward pass. `parameter` gives a tensor of the table by its name. */
  logits(graph: Graph, inputs: Value, parameter: (name: string) => Value): Value
  /** Appends the forward pass of training, where it is another one than `logits`. */
  readonly trainingLogits?: (graph: Graph, inputs: Value, parameter: (name: string) => Value) => TrainingPass
  /** Appends the mean loss over the batch, a scalar; cross-entropies are in nats. */
  loss(graph: Graph, logits: Value, targets: Value): Value
}

export interface TrainingPass {
  readonly logits: Value
  /** What each step makes of the table's statistics, by name; those that are not here stay as they are. */
  readonly statistics: ReadonlyMap<string, Value>
}
