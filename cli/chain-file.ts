import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { ChainConfig } from '../chain/escrow-port.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { Address } from '../protocol/ids.ts'

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'not an address')
  .pipe(z.custom<Address>())
const schema = z.strictObject({
  rpcUrl: z.url({ protocol: /^https?$/ }),
  chainId: z.int().min(1).max(0xffffffff),
  escrow: address,
  token: address,
  stake: address.optional(),
  deployedBlock: z.int().min(0).optional(),
  confirmations: z.int().min(0).max(1_024).optional(),
})

/** Reads where a chain is and which contracts on it. Throws CHAIN_FILE_INVALID (exit `usage`). */
export async function readChainFile(file: string): Promise<ChainConfig> {
  try {
    return schema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (cause) {
    const reason =
      cause instanceof z.ZodError
        ? `${cause.issues[0]?.path.join('.') || 'the file'}: ${cause.issues[0]?.message}`
        : cause instanceof SyntaxError
          ? 'it is not JSON'
          : `it cannot be read (${(cause as NodeJS.ErrnoException).code})`
    throw new MurmurError('CHAIN_FILE_INVALID', {
      message: `${file} does not describe a chain: ${reason}`,
      next: 'write {"rpcUrl": "https://…", "chainId": 1, "escrow": "0x…", "token": "0x…"}, and "stake": "0x…" where workers can join by stake',
      exit: 'usage',
      cause,
    })
  }
}
