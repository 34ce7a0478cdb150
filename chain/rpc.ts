import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Abi,
  type Account,
  concat,
  createPublicClient,
  createWalletClient,
  defineChain,
  encodeDeployData,
  encodeFunctionData,
  getCreate2Address,
  type Hash,
  http,
  type PublicClient,
  TransactionNotFoundError,
  type WalletClient,
  zeroHash,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { isMurmurError, MurmurError } from '../protocol/errors.ts'
import type { Address } from '../protocol/ids.ts'
import { devnetChainId } from './confirmations.ts'
import { chainError, revertedError } from './errors.ts'

/** Limits of every call to the chain. Each has a default; see {@link connectRpc}. */
export interface RpcLimits {
  /** Of one HTTP request. Default 10,000. */
  readonly requestTimeoutMs?: number
  /** Of the wait for a transaction's block, and for the next block of all. Default 120,000. */
  readonly receiptTimeoutMs?: number
  /** Between two looks for a block or a receipt. Default 250 on a devnet, otherwise 2,000. */
  readonly pollMs?: number
}

export interface TxResult {
  readonly txHash: Hash
  readonly gasUsed: bigint
  readonly blockNumber: bigint
}

interface ContractCall {
  readonly address: Address
  readonly abi: Abi | readonly unknown[]
  readonly functionName: string
  readonly args: readonly unknown[]
}

export interface Rpc {
  readonly account: Address | undefined
  /** Runs a read; failures come out as a MurmurError. `doing` is a verb phrase for its message. */
  read<T>(doing: string, work: (client: PublicClient) => Promise<T>): Promise<T>
  /**
   * Simulates, sends, and waits for the receipt. A call that reverts in its block is told by the contract's reason. One
   * that this connection has sent before, without seeing it in a block, is waited for again and not sent a second time
   * unless the chain has dropped it.
   */
  write(doing: string, call: ContractCall): Promise<TxResult>
  /**
   * Puts a contract at the address that its code and arguments decide (CREATE2, by the usual deployer contract), unless
   * it is there already; resolves to the address.
   */
  deploy(
    doing: string,
    contract: { readonly abi: Abi; readonly bytecode: `0x${string}`; readonly args?: readonly unknown[] },
  ): Promise<Address>
  /**
   * Resolves once a block with this number or a higher one exists. Throws `CHAIN_STALLED` where no block at all comes
   * within the receipt timeout, or the signal's reason. `seen` is told of the highest block at each look.
   */
  awaitBlock(blockNumber: bigint, signal?: AbortSignal, seen?: (newest: bigint) => void): Promise<void>
}

/** Arachnid's deterministic deployment proxy: at one address on every chain that has it, anvil's included. */
const create2Deployer: Address = '0x4e59b44847b379578588920cA78FbF26c0B4956C'

/** Two retries after 150 and 300 ms bridge a hiccup; an outage is told within a second. Sends are never repeated. */
const readRetries = 2
const retryDelayMs = 150

/**
 * A connection to one chain over JSON-RPC, read-only without an account. Sends of one connection are queued while they
 * get their nonce, so that any number may be started at once; use one connection per account and process.
 * Throws `WRONG_CHAIN` on the first call where the chain is not `chainId`; otherwise see `chainError`.
 */
export function connectRpc(
  config: { readonly rpcUrl: string; readonly chainId: number },
  accountOrKey?: Account | `0x${string}`,
  limits: RpcLimits = {},
): Rpc {
  const { requestTimeoutMs = 10_000, receiptTimeoutMs = 120_000 } = limits
  // No block is made faster than in a second or two but on a devnet.
  const { pollMs = config.chainId === devnetChainId ? 250 : 2_000 } = limits
  const account = typeof accountOrKey === 'string' ? privateKeyToAccount(accountOrKey) : accountOrKey
  const chain = defineChain({
    id: config.chainId,
    name: `chain ${config.chainId}`,
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [config.rpcUrl] } },
  })
  const transport = (retryCount: number) =>
    http(config.rpcUrl, { timeout: requestTimeoutMs, retryCount, retryDelay: retryDelayMs })
  const reader: PublicClient = createPublicClient({
    chain,
    transport: transport(readRetries),
    pollingInterval: pollMs,
    cacheTime: 0,
  })
  const writer: WalletClient | undefined =
    account && createWalletClient({ account, chain, transport: transport(0) })

  let chainChecked = false
  async function checkChain(): Promise<void> {
    if (chainChecked) return
    const actual = await reader.getChainId()
    if (actual !== config.chainId) {
      throw new MurmurError('WRONG_CHAIN', {
        message: `${config.rpcUrl} is chain ${actual}, not chain ${config.chainId}`,
        next: 'correct chain.rpcUrl or chain.chainId',
      })
    }
    chainChecked = true
  }

  async function guarded<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      await checkChain()
      return await work()
    } catch (error) {
      throw chainError(error, doing, config.rpcUrl)
    }
  }

  // A node may count a transaction as pending only a moment after accepting it: while some of ours are on their
  // way, the next nonce is at least the last one plus one; otherwise the chain's count is the truth.
  let queue: Promise<unknown> = Promise.resolve()
  let underway = 0
  let nextNonce = 0
  function send(sendWith: (nonce: number) => Promise<Hash>): Promise<Hash> {
    const sent = queue.then(async () => {
      const counted = await reader.getTransactionCount({ address: account!.address, blockTag: 'pending' })
      const nonce = underway > 0 ? Math.max(counted, nextNonce) : counted
      const hash = await sendWith(nonce)
      nextNonce = nonce + 1
      underway += 1
      return hash
    })
    queue = sent.catch(() => undefined)
    return sent
  }

  /** What no block has been seen to hold, by the call that it makes: one transaction a failed call. */
  const unseen = new Map<string, Hash>()
  async function sentBefore(call: string): Promise<Hash | undefined> {
    const txHash = unseen.get(call)
    if (txHash === undefined) return undefined
    try {
      await reader.getTransaction({ hash: txHash })
    } catch (error) {
      if (!(error instanceof TransactionNotFoundError)) throw error
      unseen.delete(call)
      return undefined
    }
    unseen.delete(call)
    underway += 1
    return txHash
  }

  async function confirmed(
    doing: string,
    txHash: Hash,
    call: string,
    explain?: (blockNumber: bigint) => Promise<unknown>,
  ) {
    try {
      const wait = { hash: txHash, timeout: receiptTimeoutMs }
      const receipt = await reader.waitForTransactionReceipt(wait).catch((error: unknown) => {
        unseen.set(call, txHash)
        throw error
      })
      if (receipt.status === 'reverted') {
        // Receipts carry no reason: what refused it in its block, most likely, still does at that block's end.
        const cause = await explain?.(receipt.blockNumber).then(
          () => undefined,
          (error: unknown) => chainError(error, doing, config.rpcUrl),
        )
        if (isMurmurError(cause) && cause.exit === 'reverted') throw cause
        throw revertedError(doing, 'reverted in its block', [txHash], cause)
      }
      return receipt
    } finally {
      underway -= 1
    }
  }

  function signer(doing: string): WalletClient {
    if (writer) return writer
    throw new MurmurError('NO_ACCOUNT', {
      message: `no account is configured to ${doing}`,
      next: 'give the private key of an account that holds some of the chain’s native coin',
      exit: 'auth',
    })
  }

  return {
    account: account?.address,
    read: (doing, work) => guarded(doing, () => work(reader)),
    write: (doing, call) =>
      guarded(doing, async () => {
        const wallet = signer(doing)
        const request = { ...call, abi: call.abi as Abi, account: wallet.account!, chain }
        const key = `${call.address}${encodeFunctionData(request)}`
        let txHash = await sentBefore(key)
        if (txHash === undefined) {
          await reader.simulateContract(request)
          txHash = await send((nonce) => wallet.writeContract({ ...request, nonce }))
        }
        const { gasUsed, blockNumber } = await confirmed(doing, txHash, key, (at) =>
          reader.simulateContract({ ...request, blockNumber: at }),
        )
        return { txHash, gasUsed, blockNumber }
      }),
    deploy: (doing, contract) =>
      guarded(doing, async () => {
        const initCode = encodeDeployData(contract)
        const address = getCreate2Address({ from: create2Deployer, salt: zeroHash, bytecode: initCode })
        if ((await reader.getCode({ address })) !== undefined) return address
        const wallet = signer(doing)
        const data = concat([zeroHash, initCode])
        const txHash =
          (await sentBefore(data)) ??
          (await send((nonce) =>
            wallet.sendTransaction({ to: create2Deployer, data, account: wallet.account!, chain, nonce }),
          ))
        await confirmed(doing, txHash, data)
        // On a chain without the deployer contract the transaction is a transfer of nothing.
        if ((await reader.getCode({ address })) !== undefined) return address
        throw revertedError(doing, 'no CREATE2 deployer at', [create2Deployer])
      }),
    awaitBlock: (blockNumber, signal, seen) =>
      guarded('wait for a block', async () => {
        // The highest seen: nodes behind one address differ in height, and that is no progress.
        let newest = await reader.getBlockNumber()
        for (let cameAt = performance.now(); newest < blockNumber; ) {
          seen?.(newest)
          if (performance.now() - cameAt > receiptTimeoutMs) throw stalled(newest + 1n)
          await sleep(pollMs, undefined, { signal }).catch((error: unknown) => {
            throw signal?.aborted ? signal.reason : error
          })
          const next = await reader.getBlockNumber()
          if (next <= newest) continue
          cameAt = performance.now()
          newest = next
        }
      }),
  }
}

const stalled = (blockNumber: bigint): MurmurError =>
  new MurmurError('CHAIN_STALLED', {
    message: `block ${blockNumber} did not come in time`,
    next: 'check that the chain makes blocks by itself: a devnet needs a block time',
    exit: 'timeout',
  })
