import { createKey } from '../network/identity.ts'
import { createNetwork, type Libp2pNetwork } from '../network/node.ts'

export interface MeshTimes {
  readonly hosts: number
  readonly connections: number
  /** Until every host has its connections, and the head knows that each has joined the topic. */
  readonly formMs: number
  readonly roundMs: readonly number[]
}

const topic = '/murmur/1/bench'
const neighbours = 6
const commitBytes = 120
const dialMs = 60_000
const roundTimeoutMs = 300_000

/**
 * So many libp2p hosts in this process, each connected to the head and to six others, in one gossip topic. A round: the head
 * says that it is open, each other host answers with a commit to all, and when the head has every one it says so; the round
 * is over when that has reached every host. Messages are signed, judged and relayed as those of a run are.
 */
export async function measureMesh(hosts: number, rounds: number): Promise<MeshTimes> {
  const clock = { now: () => Date.now() }
  const begun = performance.now()
  const networks: Libp2pNetwork[] = []
  try {
    for (let index = 0; index < hosts; index++) {
      networks.push(
        await createNetwork(
          { privateKey: await createKey(), listen: ['/ip4/127.0.0.1/tcp/0'] },
          { clock, onFault: () => {} },
        ),
      )
    }
    const [head, ...others] = networks as [Libp2pNetwork, ...Libp2pNetwork[]]
    const round = { commits: new Set<string>(), told: 0, done: () => {}, number: -1 }
    const wait = async (number: number): Promise<void> => {
      round.number = number
      round.commits.clear()
      round.told = 0
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      round.done = resolve
      const late = () =>
        reject(new Error(`round ${number}: ${round.commits.size} commits, ${round.told} told`))
      const timer = setTimeout(late, roundTimeoutMs)
      try {
        await head.publish(topic, message('o', number))
        await promise
      } finally {
        clearTimeout(timer)
      }
    }
    for (const network of others) {
      await network.subscribe(
        topic,
        () => 'accept',
        ({ author, data }) => {
          if (author !== head.self) return
          if (data[0] === 'o'.charCodeAt(0)) void network.publish(topic, message('c', data[1]!))
          else if (data[1] === round.number && ++round.told === others.length) round.done()
        },
      )
    }
    await head.subscribe(
      topic,
      () => 'accept',
      ({ author, data }) => {
        if (data[0] !== 'c'.charCodeAt(0) || data[1] !== round.number) return
        round.commits.add(author)
        if (round.commits.size === others.length) void head.publish(topic, message('d', round.number))
      },
    )
    let connections = 0
    for (const [index, network] of others.entries()) {
      const nearby = Array.from(
        { length: neighbours / 2 },
        (_, step) => others[(index + 1 + step * 7) % others.length]!,
      )
      for (const target of [head, ...nearby]) {
        await network.dial(target.addresses()[0]!, AbortSignal.timeout(dialMs))
        connections++
      }
    }
    await Promise.all(
      others.map(({ self }) => head.waitForTopicPeer(topic, self, AbortSignal.timeout(dialMs))),
    )
    const formMs = performance.now() - begun
    const roundMs: number[] = []
    for (let number = 0; number < rounds; number++) {
      const opened = performance.now()
      await wait(number)
      roundMs.push(performance.now() - opened)
    }
    return { hosts, connections, formMs, roundMs }
  } finally {
    await Promise.all(networks.map((network) => network.stop()))
  }
}

function message(kind: 'o' | 'c' | 'd', round: number): Uint8Array {
  const bytes = new Uint8Array(commitBytes)
  bytes[0] = kind.charCodeAt(0)
  bytes[1] = round
  return bytes
}
