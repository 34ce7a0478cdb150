/** Of a file's leaves; its nodes are shorter. */
export const leafBytes = 1_048_576

/**
 * How a file becomes a UnixFS DAG: CIDv1, raw leaves of 1 MiB, at most 1,024 links a node (the profile "unixfs-v1-2025"
 * of IPIP-499; Kubo's `ipfs add` with that profile names the same file the same).
 */
export const unixfsFileOptions = {
  profile: 'unixfs-v1-2025',
  cidVersion: 1,
  rawLeaves: true,
  reduceSingleLeafToSelf: true,
} as const

/**
 * The same of a parameter file, of which each part begins a leaf of its own. All of it is fixed here, since every replica
 * must write the same CID. A test pins that of a known file.
 */
export const parameterFileOptions = { ...unixfsFileOptions, chunker: leavesOfParts } as const

/**
 * The parts of a file: what changes from checkpoint to checkpoint, and what is frozen. The leaves of the frozen part then
 * have the same CIDs in every checkpoint: they are stored and fetched once.
 * @param frozenBytes at the file's end
 */
export const splitAtFrozen = (file: Uint8Array, frozenBytes: number): readonly Uint8Array[] => {
  const boundary = file.length - frozenBytes
  return frozenBytes === 0 ? [file] : [file.subarray(0, boundary), file.subarray(boundary)]
}

async function* leavesOfParts(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const part of parts)
    for (let at = 0; at < part.length; at += leafBytes) yield part.subarray(at, at + leafBytes)
}
