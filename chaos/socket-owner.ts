import { readdir, readFile, readlink } from 'node:fs/promises'

/**
 * Which of some processes of this host has the loopback connection from one port to another: Linux lists sockets with
 * their inodes (/proc/net/tcp), and each process its open inodes. Undefined when none has.
 */
export async function socketOwner(
  fromPort: number,
  toPort: number,
  processes: ReadonlyMap<string, number>,
): Promise<string | undefined> {
  const inode = await inodeOf(fromPort, toPort)
  if (inode === undefined) return undefined
  for (const [name, pid] of processes) if (await holds(pid, `socket:[${inode}]`)) return name
  return undefined
}

/** proc_net_tcp: local and remote address as HEX:PORT are fields 2 and 3, the inode is field 10. */
async function inodeOf(fromPort: number, toPort: number): Promise<string | undefined> {
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')
  for (const line of (await readFile('/proc/net/tcp', 'utf8')).split('\n').slice(1)) {
    const [, local, remote, , , , , , , inode] = line.trim().split(/\s+/)
    if (local?.endsWith(`:${hex(fromPort)}`) && remote?.endsWith(`:${hex(toPort)}`)) return inode
  }
  return undefined
}

async function holds(pid: number, socket: string): Promise<boolean> {
  const folder = `/proc/${pid}/fd`
  const names = await readdir(folder).catch(() => [])
  const links = await Promise.all(names.map((name) => readlink(`${folder}/${name}`).catch(() => '')))
  return links.includes(socket)
}
