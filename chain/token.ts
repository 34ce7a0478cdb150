import { type Address, erc20Abi, parseAbi } from 'viem'
import { MurmurError } from '../protocol/errors.ts'
import type { Wei } from '../protocol/ids.ts'
import type { Rpc } from './rpc.ts'

/** Without `returns`, so that tokens that return nothing can be approved too. */
const approveAbi = parseAbi(['function approve(address spender, uint256 amount)'])

/** The errors of a token, which come out through the contract that moves it (ERC-6093). */
export const tokenErrorsAbi = parseAbi([
  'error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)',
  'error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed)',
  'error SafeERC20FailedOperation(address token)',
])

/** Token base units that an account holds. */
export const tokenBalance = (rpc: Rpc, token: Address, owner: Address): Promise<Wei> =>
  rpc.read('read a balance', (client) =>
    client.readContract({ address: token, abi: erc20Abi, functionName: 'balanceOf', args: [owner] }),
  )

/**
 * Makes sure that `spender` may take `amount` from the connection's account, which must have it; approves where the
 * allowance is short. Throws `INSUFFICIENT_FUNDS`. `purpose` is a verb phrase: "fund the run with".
 */
export async function allowSpending(
  rpc: Rpc,
  token: Address,
  spender: Address,
  amount: Wei,
  purpose: string,
): Promise<void> {
  // Without an account there is nothing to check: the write that follows says NO_ACCOUNT.
  const owner = rpc.account
  if (owner === undefined) return
  const balance = await tokenBalance(rpc, token, owner)
  if (balance < amount) {
    throw new MurmurError('INSUFFICIENT_FUNDS', {
      message: `${owner} holds ${balance} token base units, fewer than the ${amount} to ${purpose}`,
      next: 'send tokens to the account, or give a smaller amount',
      exit: 'funds',
      details: { balance, amount },
    })
  }
  const allowance = await rpc.read('read an allowance', (client) =>
    client.readContract({ address: token, abi: erc20Abi, functionName: 'allowance', args: [owner, spender] }),
  )
  if (allowance >= amount) return
  await rpc.write('approve a spender', {
    address: token,
    abi: approveAbi,
    functionName: 'approve',
    args: [spender, amount],
  })
}
