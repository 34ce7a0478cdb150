import { expect, test } from 'vitest'
import { workerId } from '../protocol/ids.ts'
import { isPrivateHost } from './private-hosts.ts'
import { type Observation, type Reachability, reachabilityOf } from './reachability.ts'

const local = new Set(['127.0.0.1', '192.168.7.2', '11.0.0.1'])
const seen = (
  observer: string,
  observedHost: string,
  observedPort: number,
  localPort?: number,
): Observation => ({
  observer: workerId(observer),
  observedHost,
  observedPort,
  localPort,
})

test.each<[string, Observation[], Reachability]>([
  ['nobody has told', [], 'unknown'],
  ['only peers of our own network have', [seen('a', '192.168.7.2', 5000, 5000)], 'unknown'],
  ['an own, public address is seen', [seen('a', '11.0.0.1', 5000, 5000)], 'public'],
  ['an address is seen that is not ours', [seen('a', '11.0.0.11', 5000, 5000)], 'nat'],
  [
    'one port is seen alike by two',
    [seen('a', '11.0.0.11', 7, 5000), seen('b', '11.0.0.11', 7, 5000)],
    'nat',
  ],
  [
    'one port is seen as two by two',
    [seen('a', '11.0.0.11', 7, 5000), seen('b', '11.0.0.11', 8, 5000)],
    'symmetric',
  ],
  ['two ports are seen as two', [seen('a', '11.0.0.11', 7, 5000), seen('b', '11.0.0.11', 8, 5001)], 'nat'],
  ['one peer contradicts itself', [seen('a', '11.0.0.11', 7, 5000), seen('a', '11.0.0.11', 8, 5000)], 'nat'],
  ['the local port is not known', [seen('a', '11.0.0.11', 7), seen('b', '11.0.0.11', 8)], 'nat'],
  ['one sees us, another a NAT', [seen('a', '192.168.7.2', 7, 7), seen('b', '11.0.0.11', 8, 8)], 'nat'],
])('%s', (_name, observations, expected) => {
  expect(reachabilityOf(observations, local, isPrivateHost)).toBe(expected)
})

test.each([
  ['10.1.2.3', true],
  ['100.64.0.1', true],
  ['172.31.255.255', true],
  ['172.32.0.0', false],
  ['11.0.0.1', false],
  ['::1', true],
  ['fe80::1', true],
  ['2001:db8::1', true],
  ['2a00:1450::1', false],
])('%s is private: %s', (host, expected) => {
  expect(isPrivateHost(host)).toBe(expected)
})
