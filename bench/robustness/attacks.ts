import type { Compressed, Compressor } from '../../aggregation/compressor.ts'
import { normOf, toDense, type Update } from '../../aggregation/update.ts'
import { drawsAt } from '../../protocol/random.ts'

/** What an attacker knows: everything. Commit and reveal keep the honest updates of a round from real ones. */
export interface AttackerView {
  readonly seed: number
  readonly round: number
  readonly slot: number
  readonly compressor: Compressor
  /** What it would send if it were honest (or trained on shifted targets): Δ and the error feedback before it. */
  readonly own: { readonly delta: Float32Array; readonly residual: Float32Array }
  /** What the honest members send in this round. */
  readonly honest: readonly { readonly bytes: Uint8Array; readonly update: Update }[]
}

export interface Attack {
  readonly name: string
  readonly what: string
  /** Whether an attacker trains, and on what; otherwise `own` is zeros. */
  readonly trains: 'no' | 'honestly' | 'flipped'
  /** The contribution and the error feedback that the attacker keeps. */
  send(view: AttackerView): Compressed
}

/** Just under admission's bound of 8 medians. */
const loudest = 7.5
/** Colluders that all sent one vector would be refused as copies: each leaves out this share of the places, at random … */
const disguise = 0.25
/** … or, where a place cannot be left out (signs), turns this share of them around: enough for bytes that differ. */
const turned = 0.001

const scaled = (factor: number) => (view: AttackerView) =>
  view.compressor.compress(
    view.own.delta.map((value) => factor * value),
    view.own.residual,
  )

/** Sends `vector` without error feedback, at `medians` times the usual norm of the honest (or as long as it is). */
function craft(view: AttackerView, vector: Float32Array, medians: number | null) {
  const norms = view.honest.map(({ update }) => normOf(update)).sort((a, b) => a - b)
  const wanted = medians === null ? length(vector) : medians * norms[(norms.length - 1) >> 1]!
  const direction = view.compressor.decompress(
    view.compressor.compress(
      vector,
      vector.map(() => 0),
    ).bytes,
    vector.length,
  )
  const factor = wanted / (normOf(direction) || 1)
  const { bytes } = view.compressor.compress(
    toDense(direction).map((value) => factor * value),
    vector.map(() => 0),
  )
  return { bytes, residual: view.own.residual }
}

function disguised(view: AttackerView, vector: Float32Array): Float32Array {
  if (view.compressor.name === 'sign') return withTurned(view, vector, turned)
  const draw = drawsOf(view)
  return vector.map((value) => (draw() < disguise * 2 ** 32 ? 0 : value))
}

const drawsOf = ({ seed, round, slot }: AttackerView) => drawsAt(seed, 'simulation', [round, slot])

/** A share of the values, at random, negated. */
function withTurned(view: AttackerView, vector: Float32Array, share: number): Float32Array {
  const draw = drawsOf(view)
  return vector.map((value) => (draw() < share * 2 ** 32 ? -value : value))
}

export const attacks: readonly Attack[] = [
  { name: 'sign-flip', what: '−Δ of honest training', trains: 'honestly', send: scaled(-1) },
  { name: 'scale-10', what: '10 Δ', trains: 'honestly', send: scaled(10) },
  { name: 'scale-100', what: '100 Δ', trains: 'honestly', send: scaled(100) },
  { name: 'zero', what: 'an update of zeros', trains: 'no', send: scaled(0) },
  {
    name: 'noise',
    what: 'Gaussian noise as long as honest updates',
    trains: 'no',
    send: (view) => craft(view, gaussian(view), 1),
  },
  {
    name: 'loud-noise',
    what: `Gaussian noise, ${loudest} times as long`,
    trains: 'no',
    send: (view) => craft(view, gaussian(view), loudest),
  },
  {
    name: 'alie',
    what: 'A little is enough (Baruch et al., arXiv 1902.06156): mean − 1.5 standard deviations of the honest, per coordinate',
    trains: 'no',
    send: (view) => {
      const { mean, deviation } = momentsOf(view)
      const vector = mean.map((value, index) => value - 1.5 * deviation[index]!)
      return craft(view, disguised(view, vector), null)
    },
  },
  {
    name: 'ipm',
    what: 'inner-product manipulation (Xie et al., arXiv 1903.03936): −½ the honest mean',
    trains: 'no',
    send: (view) =>
      craft(
        view,
        disguised(
          view,
          momentsOf(view).mean.map((value) => -0.5 * value),
        ),
        null,
      ),
  },
  {
    name: 'loud-ipm',
    what: `minus the honest mean, ${loudest} times as long as honest updates`,
    trains: 'no',
    send: (view) =>
      craft(
        view,
        disguised(
          view,
          momentsOf(view).mean.map((value) => -value),
        ),
        loudest,
      ),
  },
  { name: 'label-flip', what: 'honest training on shifted targets', trains: 'flipped', send: scaled(1) },
  {
    name: 'copycat',
    what: 'the bytes of an honest member',
    trains: 'no',
    send: (view) => ({ bytes: victimOf(view).bytes, residual: view.own.residual }),
  },
  {
    name: 'noisy-copycat',
    what: 'the update of an honest member with noise of a tenth of its length, where it is not zero; of signs one in 400 turned around, which is as much',
    trains: 'no',
    send: (view) => {
      const vector = toDense(victimOf(view).update)
      if (view.compressor.name === 'sign') return craft(view, withTurned(view, vector, 1 / 400), null)
      const noise = gaussian(view).map((value, index) => (vector[index] === 0 ? 0 : value))
      const factor = (0.1 * length(vector)) / length(noise)
      const noisy = vector.map((value, index) => value + factor * noise[index]!)
      return craft(view, noisy, null)
    },
  },
]

const victimOf = ({ honest, slot }: AttackerView) => honest[slot % honest.length]!

const length = (vector: Float32Array): number =>
  Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))

/** Mean and standard deviation of what the honest send, coordinate by coordinate. */
function momentsOf({ honest, own }: AttackerView) {
  const [mean, deviation] = [new Float64Array(own.delta.length), new Float64Array(own.delta.length)]
  const vectors = honest.map(({ update }) => toDense(update))
  for (let index = 0; index < mean.length; index++) {
    for (const vector of vectors) mean[index]! += vector[index]! / vectors.length
    for (const vector of vectors) deviation[index]! += (vector[index]! - mean[index]!) ** 2 / vectors.length
  }
  return { mean: Float32Array.from(mean), deviation: Float32Array.from(deviation, Math.sqrt) }
}

/** Independent standard normal values of this attacker and round, by Box and Muller. */
function gaussian(view: AttackerView): Float32Array {
  const draw = drawsOf(view)
  const uniform = () => (draw() + 0.5) / 2 ** 32
  return Float32Array.from(
    view.own.delta,
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  )
}
