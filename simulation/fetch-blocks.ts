import { matchesCid } from '../protocol/content-id.ts'
import type { CidText } from '../protocol/ids.ts'
import type { VirtualNode } from './virtual-node.ts'

/** A node that serves blocks: itself a process. */
export interface Server extends VirtualNode {
  serve(cid: CidText): Uint8Array | undefined
}

const requestBytes = 80
const answerTimeoutMs = 5_000

/** Fetches a block from one server after the other; null when none has it. What is not the CID's is not taken. */
export function fetchBlock(
  node: VirtualNode,
  servers: readonly Server[],
  cid: CidText,
  done: (block: Uint8Array | null) => void,
): void {
  const [server, ...others] = servers
  if (server === undefined) {
    done(null)
    return
  }
  const answer = () => {
    const value = server.serve(cid) ?? null
    return { value, bytes: 8 + (value?.length ?? 0) }
  }
  node.request(server, requestBytes, answerTimeoutMs, answer, (block) => {
    if (block !== null && matchesCid(cid, block)) done(block)
    else fetchBlock(node, others, cid, done)
  })
}

/** Fetches several at once; `done` is told which could not be had. */
export function fetchBlocks(
  node: VirtualNode,
  servers: readonly Server[],
  cids: readonly CidText[],
  got: (cid: CidText, block: Uint8Array) => void,
  done: (missing: readonly CidText[]) => void,
): void {
  const wanted = [...new Set(cids)]
  const missing: CidText[] = []
  let open = wanted.length
  if (open === 0) done(missing)
  for (const cid of wanted) {
    fetchBlock(node, servers, cid, (block) => {
      if (block === null) missing.push(cid)
      else got(cid, block)
      if (--open === 0) done(missing)
    })
  }
}
