// What the kernels' module exports (aggregation/kernels/kernel-module.ts). AssemblyScript, not TypeScript.
export { compressBlocks, readBlocks } from './absmax'
export { packBf16, roundAndPackBf16, unpackBf16 } from './bf16'
export { meanOfRanks } from './ranks'
export { readRiceChunks } from './rice-reader'
export { addSignProducts } from './sign-products'
export { compressSigns, readSigns } from './signs'
export { readChunks } from './sparse-loco-reader'
export { compressChunks, writerWorkBytes } from './sparse-loco-writer'
export {
  accumulate,
  addScaled,
  addScaledAt,
  allFinite,
  descend,
  difference,
  differenceBothWays,
  sum,
} from './vectors'
