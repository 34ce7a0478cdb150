import { parseAddress } from '../network/addresses.ts'

/** The addresses of heads in `--address`, each checked. Throws ADDRESS_INVALID. */
export function headAddresses(text: string): readonly string[] {
  const addresses = text.split(',').map((address) => address.trim())
  for (const address of addresses) parseAddress(address)
  return addresses
}
