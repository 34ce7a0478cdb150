import { z } from 'zod'
import { parseCid } from '../../protocol/content-id.ts'
import type { Address, CidText, Hash, RunId, WorkerId } from '../../protocol/ids.ts'

/** The fields that journal records are made of, each checked as if it came from outside: another head may have sent it. */

const matching = <Type extends string>(pattern: RegExp, what: string) =>
  z.custom<Type>((value) => typeof value === 'string' && pattern.test(value), `not ${what}`)

export const text = (max: number) => z.string().max(max)
export const count = z.int().min(0)
export const finite = z.number()
export const peer = matching<WorkerId>(/^[1-9A-HJ-NP-Za-km-z]{40,64}$/, 'a peer id')
export const run = matching<RunId>(/^[a-z2-7]{50,70}$/, 'a run id')
export const hash = matching<Hash>(/^0x[0-9a-f]{64}$/, 'a hash of 32 bytes')
export const address = matching<Address>(/^0x[0-9a-fA-F]{40}$/, 'an Ethereum address')
/** Token base units as decimal text: dag-cbor has no integer of 256 bits. */
export const weiText = matching<string>(/^(0|[1-9]\d{0,77})$/, 'a decimal amount')

export const cid = z.custom<CidText>((value) => {
  try {
    return typeof value === 'string' && parseCid(value) === value
  } catch {
    return false
  }
}, 'not a CID')
