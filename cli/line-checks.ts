import { createKey } from '../network/identity.ts'
import { networkLimits } from '../network/limits.ts'
import { createNetwork, type Libp2pNetwork } from '../network/node.ts'
import type { Reachability } from '../network/reachability.ts'
import type { WorkerId } from '../protocol/ids.ts'
import { type Check, failed, failure, passed } from './host-checks.ts'
import { version } from './version.ts'

const dialTimeoutMs = 15_000
const measureTimeoutMs = 40_000

/**
 * The line to a head: whether it answers, round trip and bandwidth, and what the network in between does. Under a key of
 * its own, so that a worker of this host that is already in the cluster is not disturbed.
 */
export async function checkLine(addresses: readonly string[]): Promise<readonly Check[]> {
  let network: Libp2pNetwork
  try {
    network = await createNetwork(
      { privateKey: await createKey(), listen: [], agent: `murmur/${version}` },
      { clock: { now: () => Date.now() }, onFault: () => {} },
    )
  } catch (error) {
    return [failure('head', error, 'see whether this user may open sockets')]
  }
  try {
    const head = await dialFirst(network, addresses)
    if (typeof head !== 'string') return [head]
    return [passed('head', `${head} answers`), await measured(network, head), nat(network.reachability())]
  } finally {
    await network.stop()
  }
}

async function dialFirst(network: Libp2pNetwork, addresses: readonly string[]): Promise<WorkerId | Check> {
  let last: unknown
  for (const address of addresses) {
    try {
      return await network.dial(address, AbortSignal.timeout(dialTimeoutMs))
    } catch (error) {
      last = error
    }
  }
  return failure('head', last, 'check the address, and that the head runs')
}

async function measured(network: Libp2pNetwork, head: WorkerId): Promise<Check> {
  try {
    const line = await network.measure(head, AbortSignal.timeout(measureTimeoutMs))
    const found = `${line.roundTripMs.toFixed(1)} ms, up ${megabits(line.upBytesPerSecond)}, down ${megabits(line.downBytesPerSecond)}`
    const floor = networkLimits.blockBytesPerSecond
    return Math.min(line.upBytesPerSecond, line.downBytesPerSecond) >= floor
      ? passed('line', found)
      : failed('line', found, `blocks are cut off below ${megabits(floor)}: use another line`)
  } catch (error) {
    return failure('line', error, 'try again; if it stays so, see what limits the connection')
  }
}

function nat(reachability: Reachability): Check {
  switch (reachability) {
    case 'public':
      return passed('nat', 'none: others can reach this host if its firewall lets them')
    case 'nat':
      return passed('nat', 'a NAT that keeps its mappings: others get in by hole punching or a relay')
    case 'symmetric':
      return passed('nat', 'a symmetric NAT: others reach this host through a relay')
    case 'unknown':
      return passed('nat', 'unknown: the head is in the same private network')
    default:
      return reachability satisfies never
  }
}

const megabits = (bytesPerSecond: number): string => `${((bytesPerSecond * 8) / 1e6).toPrecision(3)} Mbit/s`
