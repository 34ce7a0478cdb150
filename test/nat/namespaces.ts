import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/**
 * A small internet in network namespaces:
 *
 *     head 11.0.0.1 ──┐
 *     nat1 11.0.0.11 ─┤ internet (a bridge)
 *     nat2 11.0.0.12 ─┘
 *       └─ worker1, worker2: each 192.168.7.2 behind its own NAT, which lets nothing in that was not asked for
 *
 * The outside addresses are public ones in every sense but that nothing leaves the namespaces.
 */
export interface SmallInternet extends AsyncDisposable {
  /** Command line that runs a program in the namespace of a host. */
  inside(host: Host): readonly string[]
}

export type Host = 'head' | 'worker1' | 'worker2'

export const headHost = '11.0.0.1'
export const natHosts = ['11.0.0.11', '11.0.0.12'] as const

/** Why this machine cannot have one; undefined when it can. */
export async function missingForInternet(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'network namespaces are Linux only'
  for (const [program, ...args] of [
    ['ip', '-V'],
    ['nft', '--version'],
  ] as const)
    if (!(await works(program, args))) return `the program ${program} is missing`
  const probe = name('probe')
  if (!(await works('ip', ['netns', 'add', probe]))) return 'network namespaces need privileges'
  const nat = await works('ip', ['netns', 'exec', probe, 'nft', natRules])
  await works('ip', ['netns', 'delete', probe])
  return nat ? undefined : 'the kernel does not let nft masquerade in a namespace'
}

/** `random`: each connection gets an outside port of its own, as behind symmetric NATs. */
export async function createSmallInternet({ random }: { readonly random: boolean }): Promise<SmallInternet> {
  const tag = randomBytes(3).toString('hex')
  const spaces: string[] = []
  const space = (host: string): string => name(host, tag)
  const run = (text: string): Promise<unknown> => execute('ip', text.split(' '))
  const add = async (host: string): Promise<void> => {
    await run(`netns add ${space(host)}`)
    spaces.push(space(host))
    await run(`-n ${space(host)} link set lo up`)
  }
  const dispose = async (): Promise<void> => {
    // A namespace takes its interfaces with it, and with them their other ends.
    for (const one of spaces.splice(0).reverse()) await works('ip', ['netns', 'delete', one])
  }
  /** A cable from `host` to another namespace: `device` here, `otherDevice` there. */
  const cable = async (host: string, device: string, other: string, otherDevice: string): Promise<void> => {
    await run(`-n ${space(host)} link add ${device} type veth peer name ${otherDevice} netns ${space(other)}`)
    await run(`-n ${space(host)} link set ${device} up`)
    await run(`-n ${space(other)} link set ${otherDevice} up`)
  }
  const plug = async (host: string, address: string): Promise<void> => {
    await cable(host, 'wan', 'internet', `to-${host}`)
    await run(`-n ${space('internet')} link set to-${host} master bridge`)
    await run(`-n ${space(host)} address add ${address}/24 dev wan`)
  }
  try {
    await add('internet')
    await run(`-n ${space('internet')} link add bridge type bridge`)
    await run(`-n ${space('internet')} link set bridge up`)
    await add('head')
    await plug('head', headHost)
    for (const [index, address] of natHosts.entries()) {
      const [nat, worker] = [`nat${index + 1}`, `worker${index + 1}`]
      await add(nat)
      await plug(nat, address)
      await add(worker)
      await cable(worker, 'lan', nat, 'lan')
      await run(`-n ${space(nat)} address add 192.168.7.1/24 dev lan`)
      await run(`-n ${space(worker)} address add 192.168.7.2/24 dev lan`)
      await run(`-n ${space(worker)} route add default via 192.168.7.1`)
      const rules = random ? natRules.replace('masquerade', 'masquerade random') : natRules
      await run(`netns exec ${space(nat)} sysctl -qw net.ipv4.ip_forward=1`)
      await execute('ip', ['netns', 'exec', space(nat), 'nft', rules])
    }
    return {
      inside: (host) => ['ip', 'netns', 'exec', space(host)],
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** What a home router does: hides its network behind its address, and drops what comes unasked for. */
const natRules = `
add table ip home
add chain ip home out { type nat hook postrouting priority srcnat; }
add rule ip home out oifname "wan" masquerade
add chain ip home through { type filter hook forward priority filter; policy accept; }
add rule ip home through iifname "wan" ct state established,related accept
add rule ip home through iifname "wan" drop
add chain ip home in { type filter hook input priority filter; policy accept; }
add rule ip home in iifname "wan" ct state established,related accept
add rule ip home in iifname "wan" drop
`

const name = (host: string, tag = randomBytes(3).toString('hex')): string => `murmur-${tag}-${host}`

async function works(program: string, args: readonly string[]): Promise<boolean> {
  return await execute(program, [...args]).then(
    () => true,
    () => false,
  )
}
