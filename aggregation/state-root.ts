import { createHash } from 'node:crypto'
import { MurmurError } from '../protocol/errors.ts'
import type { Hash } from '../protocol/ids.ts'
import { floatBytes } from './float-bytes.ts'

const domain = 'murmur/state/1\0'

/**
 * The state root of θ: SHA-256 of `"murmur/state/1\0"` ‖ N as u64 ‖ θ as f32, all little-endian. Every honest replica
 * of a run has the same one after each outer step. NaN has many bit patterns, so only finite states have a root.
 * @throws MurmurError STATE_NOT_FINITE
 */
export function stateRoot(theta: Float32Array): Hash {
  for (let index = 0; index < theta.length; index++) {
    if (!Number.isFinite(theta[index]!)) {
      throw new MurmurError('STATE_NOT_FINITE', {
        message: `parameter ${index} is ${theta[index]}: the run has diverged`,
        next: 'lower the learning rate in the run spec and resume from an earlier checkpoint',
        details: { index },
      })
    }
  }
  const count = new Uint8Array(8)
  new DataView(count.buffer).setBigUint64(0, BigInt(theta.length), true)
  const digest = createHash('sha256').update(domain).update(count).update(floatBytes(theta)).digest('hex')
  return `0x${digest}`
}
