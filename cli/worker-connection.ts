import { parseAddress, parseListenAddress } from '../network/addresses.ts'
import { networkLimits } from '../network/limits.ts'
import { parseByteRate } from '../worker/host/byte-rate.ts'
import { headAddresses } from './head-addresses.ts'
import type { StartOptions } from './start-options.ts'

/** Whom a worker dials, where it listens, and how much it sends. Throws ADDRESS_INVALID, BYTE_RATE_INVALID. */
export function connectionOf(options: StartOptions, defaultListen: readonly string[]) {
  const { address, announce, listen = defaultListen, maxUpload } = options
  for (const each of listen) parseListenAddress(each)
  for (const each of announce ?? []) parseAddress(each)
  const maxUploadBytesPerSecond =
    maxUpload === undefined
      ? undefined
      : parseByteRate(maxUpload, '--max-upload', networkLimits.uploadFloorBytesPerSecond)
  return { addresses: headAddresses(address!), listen, announce, maxUploadBytesPerSecond }
}
