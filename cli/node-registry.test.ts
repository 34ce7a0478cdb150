import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type EndedNode, endNodes } from './end-nodes.ts'
import { writeJson } from './home.ts'
import {
  forgetNode,
  recordNode,
  refuseTakenRole,
  runningNode,
  runningNodes,
  takeRole,
} from './node-registry.ts'
import { processIdentity } from './process-identity.ts'

let home: string
let children: ChildProcess[]
beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'murmur-nodes-'))
  children = []
})
afterEach(async () => {
  for (const child of children) {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  await rm(home, { recursive: true })
})

/** A process that stands for a node, and tells when it is there. */
async function other(program = ''): Promise<ChildProcess & { pid: number }> {
  const child = spawn(
    process.execPath,
    ['-e', `${program};setInterval(() => {}, 1e6);console.log('there')`],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
  children.push(child)
  await once(child.stdout, 'data')
  return child as ChildProcess & { pid: number }
}

/** As its own process would have recorded it. */
async function recorded(role: string, pid: number, identity?: string): Promise<void> {
  const own = identity ?? (await processIdentity(pid))
  await writeJson(path.join(home, 'nodes', `${role}.json`), {
    pid,
    role,
    startedAt: 1,
    identity: own,
    state: 'ready',
  })
}

test('a node is found by its record while it runs, and not after', async () => {
  const node = await other()
  await recorded('worker', node.pid)
  expect(await runningNodes(home)).toMatchObject([{ role: 'worker', pid: node.pid, state: 'ready' }])
  await expect(refuseTakenRole(home, 'worker')).rejects.toMatchObject({
    code: 'WORKER_RUNNING',
    message: expect.stringContaining(String(node.pid)),
    next: expect.stringContaining('--name'),
  })
  node.kill('SIGKILL')
  await once(node, 'exit')
  expect(await runningNodes(home)).toEqual([])
  await refuseTakenRole(home, 'worker')
})

test('a process id that was given to somebody else since is left alone', async () => {
  const stranger = await other()
  const boot = (await processIdentity(stranger.pid))!.split('/')[0]
  await recorded('head', stranger.pid, `${boot}/1`)
  expect(await runningNode(home, 'head')).toBeUndefined()
  const stale = {
    ...{ role: 'head', pid: stranger.pid, identity: `${boot}/1` },
    startedAt: 1,
    state: 'ready',
  } as const
  expect(await endNodes(home, [stale])).toEqual([{ role: 'head', pid: stranger.pid, killed: false }])
  expect([stranger.exitCode, stranger.signalCode]).toEqual([null, null])
  expect(await readdir(path.join(home, 'nodes')), 'the stale record is gone').toEqual([])
})

test('records that nobody wrote are no nodes', async () => {
  await recorded('good', process.pid)
  const folder = path.join(home, 'nodes')
  await writeFile(path.join(folder, 'a.json'), '{"pid": -1, "identity": "x"}')
  await writeFile(path.join(folder, 'b.json'), 'null')
  await writeFile(path.join(folder, 'c.json'), '{"pid": "1", "identity": {}}')
  await writeFile(path.join(folder, '.d.json'), '{')
  expect((await runningNodes(home)).map(({ role }) => role)).toEqual(['good'])
  for (const pid of [0, -1, Number.NaN, 2 ** 40]) expect(await processIdentity(pid)).toBeNull()
})

test('a role is told, kept in its state, and given back', async () => {
  await takeRole(home, 'head')
  const starting = await runningNode(home, 'head')
  expect(starting).toMatchObject({ pid: process.pid, state: 'starting' })
  await recordNode(home, 'head', { state: 'ready' })
  expect(await runningNode(home, 'head')).toEqual({ ...starting, state: 'ready' })
  await forgetNode(home, 'head', process.pid + 1)
  expect(await runningNodes(home), 'another process forgets only itself').toHaveLength(1)
  await forgetNode(home, 'head', process.pid)
  expect(await runningNodes(home)).toEqual([])
})

test('workers end before their head', async () => {
  // The head ends only by itself, once the worker is gone: the other way round it would be killed.
  const worker = await other()
  const head = await other(
    `process.on('SIGTERM', () => setInterval(() => { try { process.kill(${worker.pid}, 0) } catch { process.exit() } }, 5))`,
  )
  await recorded('head', head.pid)
  await recorded('worker', worker.pid)
  const order: EndedNode[] = []
  const gone = once(worker, 'exit')
  await endNodes(home, await runningNodes(home), (node) => order.push(node))
  await gone
  expect(order).toEqual([
    { role: 'worker', pid: worker.pid, killed: false },
    { role: 'head', pid: head.pid, killed: false },
  ])
  expect(await runningNodes(home)).toEqual([])
})

test('a node that does not end is killed', async () => {
  const stubborn = await other(`process.on('SIGTERM', () => {})`)
  await recorded('worker', stubborn.pid)
  const [ended] = await endNodes(home, await runningNodes(home), () => {}, 100)
  expect(ended).toEqual({ role: 'worker', pid: stubborn.pid, killed: true })
})
