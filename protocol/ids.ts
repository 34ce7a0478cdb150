declare const brand: unique symbol
type Branded<T, Name extends string> = T & { readonly [brand]: Name }

/** A worker's or head's libp2p peer id, in its base58 text form. */
export type WorkerId = Branded<string, 'WorkerId'>
/** A run's id: the CID (base32 text) of its canonical run spec. */
export type RunId = Branded<string, 'RunId'>
/** A content id in base32 text form: CIDv1. */
export type CidText = Branded<string, 'CidText'>
/** An Ethereum address, checksummed. */
export type Address = `0x${string}`
/** 32 bytes as 0x-prefixed lower-case hex. */
export type Hash = `0x${string}`
/** Token base units. Never a float. */
export type Wei = bigint

export const workerId = (text: string): WorkerId => text as WorkerId
export const runId = (text: string): RunId => text as RunId
export const cidText = (text: string): CidText => text as CidText
