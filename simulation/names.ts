import { getAddress } from 'viem'
import { contentId } from '../protocol/content-id.ts'
import { type Address, type RunId, type WorkerId, workerId } from '../protocol/ids.ts'

const letters = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** A peer id in form; ids sort in the order of their numbers, of which there are 58³. */
export function peerName(number: number): WorkerId {
  const digit = (power: number) => letters[Math.floor(number / 58 ** power) % 58]!
  return workerId(`12D3KooW${'S'.repeat(41)}${digit(2)}${digit(1)}${digit(0)}`)
}

export const runName = (seed: number): RunId =>
  contentId(new TextEncoder().encode(`simulated run ${seed}`), 'dag-cbor') as string as RunId

/** An account in form, of a worker or a head. */
export const accountOf = (number: number): Address =>
  getAddress(`0x${'5'.repeat(32)}${number.toString(16).padStart(8, '0')}`)
