/** Of anvil and Hardhat. One process makes its blocks, and takes none of them back by itself. */
export const devnetChainId = 31_337

/** Customary on Ethereum, where it is less than three minutes. */
const defaultConfirmations = 12

/** How many blocks must lie on a block before it is taken for one that stays. */
export function confirmationsOf(config: {
  readonly chainId: number
  readonly confirmations?: number
}): bigint {
  return BigInt(config.confirmations ?? (config.chainId === devnetChainId ? 0 : defaultConfirmations))
}
