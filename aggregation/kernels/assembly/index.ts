// What the kernels' module exports (aggregation/kernels/kernel-module.ts). AssemblyScript, not TypeScript.
export { compressBlocks, readBlocks } from './absmax'
export { packBf16, roundToBf16, unpackBf16 } from './bf16'
export { meanOfRanks } from './ranks'
export { readChunks } from './sparse-loco-reader'
export { compressChunks, writerWorkBytes } from './sparse-loco-writer'
export { accumulate, addScaled, addScaledAt, allFinite, descend, difference } from './vectors'
