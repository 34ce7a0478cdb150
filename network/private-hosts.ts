import { BlockList, isIPv6 } from 'node:net'

/** Networks that the public internet does not route: RFC 6890's special-purpose registry, shared address space included. */
const unrouted = new BlockList()
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['240.0.0.0', 4],
] as const)
  unrouted.addSubnet(network, bits, 'ipv4')
for (const [network, bits] of [
  ['::', 127],
  ['2001:db8::', 32],
  ['fc00::', 7],
  ['fe80::', 10],
] as const)
  unrouted.addSubnet(network, bits, 'ipv6')

/** Whether an IP address, in text, is one that others on the internet cannot reach. */
export function isPrivateHost(host: string): boolean {
  return unrouted.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}
