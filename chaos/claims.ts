import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { connectEscrow } from '../chain/escrow.ts'
import { openStore } from '../checkpoints/store.ts'
import { headFolder } from '../cli/home.ts'
import { Journal } from '../coordinator/journal/journal.ts'
import { openLogFile } from '../coordinator/journal/log-file.ts'
import { loadOrCreateKey } from '../network/identity.ts'
import { verifySignature } from '../network/signing.ts'
import { digestHash } from '../protocol/content-id.ts'
import { type CidText, type WorkerId, workerId } from '../protocol/ids.ts'
import { openManifest } from '../protocol/manifest.ts'
import type { RunReport } from '../protocol/report.ts'
import type { RoundManifest } from '../protocol/wire.ts'
import { claimEarnings } from '../worker/claim-earnings.ts'
import type { ChaosCluster, ChaosHead, ChaosWorker, Leader } from './cluster.ts'
import type { WatchedRun } from './watched-run.ts'

/** What is claimed of a run, and why it does not hold: null when it holds. */
export interface Claim {
  readonly claim: string
  readonly broken: string | null
}

const lossTolerance = 0.02
/** A transaction that was sent is mined within a few blocks. */
const claimTimeoutMs = 10_000
const claimPollMs = 100

type Check = () => string | null | Promise<string | null>

/** What must hold of a run that is over while its nodes still run. */
export async function checkRun(
  cluster: ChaosCluster,
  watched: WatchedRun,
  leader: Leader,
): Promise<readonly Claim[]> {
  const { report, rewritten } = watched
  const manifests: RoundManifest[] = []
  return await checked([
    ['the run finishes, and every epoch is audited and settled', () => finishes(report)],
    [
      'manifests form one signed chain over all terms',
      async () => {
        manifests.push(...(await signedChain(watched, leader)))
        return null
      },
    ],
    ['no closed round was lost or changed', () => rewritten[0] ?? null],
    ['state roots are equal on every replica, after every round', () => equalRoots(report)],
    ['every worker is back in the last round', () => everybodyBack(cluster, report)],
    ['no honest work was refuted', () => refuted(report)],
    ['the chain has the history that the manifests have', () => anchored(cluster, watched)],
    [
      'each worker is paid exactly for its verified work',
      () => paidExactly(cluster, watched, leader, manifests),
    ],
    ['the funder gets back what was funded and not paid', () => refunds(cluster, watched)],
  ])
}

/** What must hold of what its nodes left on their disks. */
export async function checkDisks(
  cluster: ChaosCluster,
  report: RunReport,
  { head }: Leader,
): Promise<readonly Claim[]> {
  return await checked([
    ['both heads have one journal', () => oneJournal(cluster)],
    [
      'every worker and the head that led last hold the last checkpoint, whole',
      () => held(cluster, head, report),
    ],
  ])
}

/** Held-out loss of the run, beside that of the same run without faults. */
export function checkLoss(report: RunReport, reference: RunReport): Claim {
  const [ours, theirs] = [report.heldOutLossNats.after, reference.heldOutLossNats.after]
  const claim = `held-out loss within ${lossTolerance * 100} % of the run without faults`
  if (ours === null || theirs === null) return { claim, broken: 'it was not measured' }
  const apart = Math.abs(ours / theirs - 1)
  return {
    claim,
    broken: apart <= lossTolerance ? null : `${ours} is ${(100 * apart).toFixed(2)} % from ${theirs}`,
  }
}

async function checked(checks: readonly (readonly [string, Check])[]): Promise<readonly Claim[]> {
  const claims: Claim[] = []
  for (const [claim, check] of checks) {
    try {
      claims.push({ claim, broken: await check() })
    } catch (error) {
      claims.push({ claim, broken: error instanceof Error ? error.message : String(error) })
    }
  }
  return claims
}

function finishes({ phase, error, rounds, epochs, roundsTotal, epochsTotal }: RunReport): string | null {
  if (phase !== 'finished' || error !== null) return `it is ${phase}: ${JSON.stringify(error)}`
  const missing = Array.from({ length: roundsTotal }, (_, round) => round).filter(
    (round) => rounds[round]?.round !== round,
  )
  if (missing.length > 0 || rounds.length !== roundsTotal) return `rounds ${missing} are missing`
  const open = epochs.filter(({ verified, settled }) => !verified || !settled)
  if (epochs.length !== epochsTotal || open.length > 0)
    return `${epochs.length} epochs, ${open.length} of them open`
  return null
}

async function signedChain({ report }: WatchedRun, { api }: Leader): Promise<RoundManifest[]> {
  const heads = (await api.status()).heads.map(({ id }) => id)
  const manifests: RoundManifest[] = []
  let parent: CidText | null = null
  for (const { round, manifest: cid, stateRoot } of report.rounds) {
    const manifest = await openManifest(await api.getBlock(cid), heads, verifySignature)
    const before = manifests.at(-1)
    if (manifest.round !== round || manifest.parent !== parent || manifest.stateRoot !== stateRoot)
      throw new Error(`the manifest of round ${round} does not follow the one before it`)
    if (before !== undefined && (manifest.baseRoot !== before.stateRoot || manifest.term < before.term))
      throw new Error(
        `round ${round} begins with another state, or in a lower term, than the round before it ended`,
      )
    manifests.push(manifest)
    parent = cid
  }
  return manifests
}

function equalRoots({ rounds }: RunReport): string | null {
  const odd = rounds.find(({ stateRoot, stateRoots }) => stateRoots.some((root) => root !== stateRoot))
  const told = rounds.reduce((sum, { stateRoots }) => sum + stateRoots.length, 0)
  if (odd !== undefined) return `round ${odd.round}: ${odd.stateRoots.join(', ')}`
  return told > 0 ? null : 'no replica announced any'
}

function everybodyBack({ workers }: ChaosCluster, { rounds }: RunReport): string | null {
  const { admitted } = rounds.at(-1)!
  return admitted.length === workers.length ? null : `${admitted.length} of ${workers.length} are`
}

function refuted({ epochs }: RunReport): string | null {
  const found = epochs.flatMap(({ audits }) => audits).find(({ outcome }) => outcome === 'refuted')
  return found === undefined ? null : `${found.worker} in round ${found.round}: ${found.code}`
}

async function anchored({ chain }: ChaosCluster, { report }: WatchedRun): Promise<string | null> {
  const escrow = connectEscrow(chain)
  const { run } = report.escrow!
  for (const { epoch, manifest, payoutRoot } of report.epochs) {
    if ((await escrow.historyRoot(run, epoch)) !== digestHash(manifest))
      return `epoch ${epoch} is closed otherwise`
    if ((await escrow.settlement(run, epoch))?.payoutRoot !== payoutRoot)
      return `epoch ${epoch} is settled otherwise`
  }
  return null
}

/**
 * What each worker is due, from the signed manifests and the verdicts alone: of each epoch the tokens it had admitted,
 * none where an audit of it did not pass, over the tokens that its rounds' plans asked of all.
 */
export function duesOf(
  manifests: readonly Pick<RoundManifest, 'epoch' | 'entries' | 'slots'>[],
  epochs: readonly Pick<RunReport['epochs'][number], 'epoch' | 'audits'>[],
  tokensPerStep: number,
  rewardWei: bigint,
): ReadonlyMap<WorkerId, bigint> {
  const dues = new Map<WorkerId, bigint>()
  for (const { epoch, audits } of epochs) {
    const unpaid = new Set(audits.filter(({ outcome }) => outcome !== 'verified').map(({ worker }) => worker))
    const rounds = manifests.filter((manifest) => manifest.epoch === epoch)
    const planned = rounds.map(({ slots }) => slots.reduce((sum, { steps }) => sum + steps, 0))
    // A round that nobody was there for counts as much as the largest of the others.
    const largest = Math.max(...planned)
    const asked = BigInt(planned.reduce((sum, steps) => sum + (steps || largest), 0) * tokensPerStep)
    const done = new Map<WorkerId, bigint>()
    for (const { worker, tokens } of rounds.flatMap(({ entries }) => entries))
      if (!unpaid.has(worker)) done.set(worker, (done.get(worker) ?? 0n) + BigInt(tokens))
    for (const [worker, tokens] of done)
      dues.set(worker, (dues.get(worker) ?? 0n) + (rewardWei * tokens) / asked)
  }
  return dues
}

async function paidExactly(
  cluster: ChaosCluster,
  { report, rewardWei, prepared }: WatchedRun,
  { api }: Leader,
  manifests: readonly RoundManifest[],
): Promise<string | null> {
  if (manifests.length !== report.rounds.length) return 'without the manifests nobody can say'
  const dues = duesOf(manifests, report.epochs, prepared.model.tokensPerStep, rewardWei)
  const escrow = connectEscrow(cluster.chain)
  const place = report.escrow!
  const tree = report.epochs.at(-1)!.payoutTree!
  const wrong: string[] = []
  for (const worker of cluster.workers) {
    const due = dues.get(await idOf(worker)) ?? 0n
    const { account } = worker
    // A worker that was down at the end has not claimed yet: anyone may, for it. Its own claim may be under way.
    await claimEarnings(
      { ...place, escrow: place.contract, rpcUrl: cluster.chain.rpcUrl },
      tree,
      account.address,
      account,
      (cid) => api.getBlock(cid),
    ).catch(() => null)
    const deadline = performance.now() + claimTimeoutMs
    let got = await escrow.claimed(place.run, account.address)
    while (got < due && performance.now() < deadline) {
      await sleep(claimPollMs)
      got = await escrow.claimed(place.run, account.address)
    }
    if (got !== due) wrong.push(`${worker.name} got ${got} of ${due} wei`)
  }
  return wrong[0] ?? null
}

async function idOf({ folder }: ChaosWorker): Promise<WorkerId> {
  return workerId(peerIdFromPrivateKey(await loadOrCreateKey(folder)).toString())
}

async function refunds(
  { chain }: ChaosCluster,
  { report, funder, fundedWei }: WatchedRun,
): Promise<string | null> {
  const escrow = connectEscrow(chain, funder)
  const { run } = report.escrow!
  const paid = report.epochs.reduce((sum, epoch) => sum + BigInt(epoch.paid), 0n)
  const { funded, reserved, claimed } = await escrow.accounting(run)
  if (funded !== fundedWei) return `${funded} of ${fundedWei} wei were funded`
  if (reserved !== paid || claimed !== paid)
    return `${paid} wei were due, ${reserved} reserved, ${claimed} claimed`
  const before = await escrow.balanceOf(funder.address)
  await escrow.refund(run, funder.address)
  const back = (await escrow.balanceOf(funder.address)) - before
  return back === fundedWei - paid ? null : `${back} of ${fundedWei - paid} wei came back`
}

async function oneJournal({ heads }: ChaosCluster): Promise<string | null> {
  const [a, b] = await Promise.all(
    heads.map(async ({ home }) => {
      const file = await openLogFile(`${headFolder(home)}/journal.log`)
      const { journal, records } = await Journal.open(file, { onFatal: () => {} })
      await journal.close()
      return records
    }),
  )
  // The one that was stopped last may have gone on alone.
  const common = Math.min(a!.length, b!.length)
  if (common === 0) return 'one of them is empty'
  return isDeepStrictEqual(a!.slice(0, common), b!.slice(0, common))
    ? null
    : `they differ (${a!.length}, ${b!.length})`
}

async function held({ workers }: ChaosCluster, leader: ChaosHead, report: RunReport): Promise<string | null> {
  const { cid } = report.checkpoints.at(-1)!
  const { stateRoot } = report.rounds.at(-1)!
  const folders = [...workers.map(({ folder }) => folder), headFolder(leader.home)]
  for (const folder of folders) {
    const store = await openStore(folder)
    try {
      const checkpoint = await store.readCheckpoint(cid)
      if (checkpoint.manifest.stateRoot !== stateRoot) return `${folder} holds another state`
    } catch (error) {
      return `${folder}: ${error instanceof Error ? error.message : error}`
    } finally {
      await store.close()
    }
  }
  return null
}
