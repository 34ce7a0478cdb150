/**
 * How a parameter file becomes a UnixFS DAG. All of it is fixed here, since every replica must write the same CID:
 * CIDv1, raw leaves of 1 MiB, at most 1,024 links a node (the profile "unixfs-v1-2025" of IPIP-499; Kubo's
 * `ipfs add` with that profile names the same file the same). A test pins the CID of a known file.
 */
export const unixfsFileOptions = {
  profile: 'unixfs-v1-2025',
  cidVersion: 1,
  rawLeaves: true,
  reduceSingleLeafToSelf: true,
} as const
