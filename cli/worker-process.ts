import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { openStore } from '../checkpoints/store.ts'
import { parseAddress, peerOf } from '../network/addresses.ts'
import { loadOrCreateKey } from '../network/identity.ts'
import { createNetwork, type Libp2pNetwork } from '../network/node.ts'
import { openPeerCache } from '../network/peer-cache.ts'
import type { ReservationProgress } from '../network/reservations.ts'
import { errorText } from '../protocol/errors.ts'
import { lineProbeBytes } from '../protocol/limits.ts'
import { chooseEngine } from '../worker/engine/choose-engine.ts'
import type { Engine } from '../worker/engine/engine.ts'
import type { EngineChoice } from '../worker/engine/engine-names.ts'
import { threadedEngine } from '../worker/engine/threaded-engine.ts'
import type { Payout } from '../worker/head-link.ts'
import { describeHost } from '../worker/host/describe-host.ts'
import { listGpus, withoutAsking } from '../worker/host/gpus.ts'
import type { Label } from '../worker/host/labels.ts'
import { createOffer, type Offer } from '../worker/host/offer.ts'
import { keepSpeed, knownSpeed, measureSpeed } from '../worker/host/reference-speed.ts'
import { WorkerNode } from '../worker/node.ts'
import { type LogFields, log } from './log.ts'
import { logNuisance } from './log-nuisance.ts'
import { readyKernels } from './ready-kernels.ts'
import { version } from './version.ts'

export interface WorkerProcessOptions {
  readonly folder: string
  readonly addresses: readonly string[]
  readonly listen: readonly string[]
  /** What others are told to dial, where that is not where it listens. */
  readonly announce?: readonly string[]
  readonly token: string
  /** Who is paid; null for nobody. */
  readonly payout: Payout | null
  readonly labels?: readonly Label[]
  readonly maxUploadBytesPerSecond?: number
  /** What trains; the fastest that runs here unless told. */
  readonly engine?: EngineChoice
  /** Whether graphics cards may be used; they may unless told. */
  readonly useCards?: boolean
  /** How long the first join is tried; two minutes unless told. */
  readonly firstJoinMs?: number
}

export interface WorkerProcess {
  /** Settles when the worker's life is over: rejects with why, when it did not end by `stop`. */
  readonly life: Promise<void>
  /** Resolves when a head has taken it in. */
  readonly joined: Promise<void>
  /** Resolves when the round under way is over and the worker has left, or the signal aborts. */
  drain(signal: AbortSignal): Promise<void>
  stop(): Promise<void>
}

/** About half a second of work, so that a node that joins is measured before its first run. */
const measuredSteps = 4

/** Wires a worker: network, embedded IPFS, engine, and what it offers. */
export async function startWorker(options: WorkerProcessOptions): Promise<WorkerProcess> {
  const { folder, addresses, listen, announce, token, payout, labels = [], maxUploadBytesPerSecond } = options
  const clock = { now: () => Date.now() }
  // Needed at the end of its first round.
  void readyKernels()
  const network = await createNetwork(
    {
      privateKey: await loadOrCreateKey(folder),
      listen,
      announce,
      agent: `murmur/${version}`,
      // Heads are relays for those who need one: behind a NAT, others reach this worker through them.
      reserveAt: addresses,
      ...(maxUploadBytesPerSecond === undefined ? {} : { maxUploadBytesPerSecond }),
    },
    {
      clock,
      onFault: (fault) => log('NETWORK_FAULT', errorText(fault)),
      onNuisance: logNuisance,
      onReservation: logReservation,
    },
  )
  const store = await openStore(folder, { libp2p: network.libp2p, clock })
  const kept = await store.kept()
  const engine = await openEngine(options)
  await mkdir(folder, { recursive: true })
  const tokensPerSecond = (await knownSpeed(folder, engine.engineClass)) ?? 0
  const offer = createOffer(
    await describeHost({ folder, labels, tokensPerSecond, trainsOn: engine.device, gpus: withoutAsking }),
    engine.device,
  )
  const joined = Promise.withResolvers<void>()
  const measuring = new AbortController()
  const node = new WorkerNode(
    { addresses, token, payout, agent: `murmur/${version}`, firstJoinMs: options.firstJoinMs },
    {
      network,
      store,
      kept,
      engine,
      clock,
      offer: () => offer.current(),
      headCache: await openPeerCache(path.join(folder, 'heads.json'), (fault) =>
        log('CACHE_FAULT', errorText(fault)),
      ),
      log: (code: string, text: string, fields?: LogFields) => {
        if (code === 'JOINED') joined.resolve()
        log(code, text, fields)
      },
    },
  )
  let learning: Promise<unknown> | null = null
  // After the join, which all this would slow down.
  void joined.promise.then(() => {
    learning = Promise.all([
      listGpus().then((gpus) => offer.improve({ gpus })),
      tokensPerSecond === 0 ? learnSpeed(folder, engine, offer, measuring.signal) : null,
      learnLine(network, addresses, offer, measuring.signal),
    ])
  })
  const stop = async () => {
    measuring.abort(new Error('stopped'))
    await node.stop()
    await learning
    await store.close()
    await network.stop()
  }
  return { life: node.live(), joined: joined.promise, drain: (signal) => node.drain(signal), stop }
}

/** The engine that was asked for, or what runs in its place; the log says which, and why. */
async function openEngine({ engine = 'auto', useCards = true }: WorkerProcessOptions): Promise<Engine> {
  const cards = useCards ? await listGpus(withoutAsking) : []
  const { name, passedOver } = await chooseEngine(
    engine,
    cards.flatMap(({ kind }) => (kind === 'cpu' ? [] : [kind])),
  )
  for (const missing of passedOver)
    log('ENGINE_FALLBACK', `${missing.name} does not run: ${missing.reason}; ${missing.fix}`)
  const opened = threadedEngine(name)
  log('ENGINE', `trains with ${opened.engineClass}`)
  return opened
}

/** Measures the engine in the background and keeps the figure. That it could not is no reason to end. */
async function learnSpeed(folder: string, engine: Engine, offer: Offer, signal: AbortSignal): Promise<void> {
  try {
    const tokensPerSecond = await measureSpeed(engine, measuredSteps, signal)
    offer.improve({ tokensPerSecond })
    log('SPEED', `${Math.round(tokensPerSecond)} tokens/s on the reference program`)
    await keepSpeed(folder, engine.engineClass, tokensPerSecond)
  } catch (error) {
    if (!signal.aborted) log('SPEED_UNKNOWN', errorText(error))
  }
}

/** Measures the line to the head, once: what crosses it then competes with nothing yet. */
async function learnLine(
  network: Libp2pNetwork,
  addresses: readonly string[],
  offer: Offer,
  signal: AbortSignal,
): Promise<void> {
  try {
    const connected = new Set(network.connectedPeers())
    const head = addresses
      .map((address) => peerOf(parseAddress(address)))
      .find((peer) => peer && connected.has(peer))
    if (head !== undefined) offer.improve(await network.measure(head, signal, { bytes: lineProbeBytes }))
  } catch (error) {
    if (!signal.aborted) log('LINE_UNKNOWN', errorText(error))
  }
}

function logReservation(progress: ReservationProgress): void {
  switch (progress.kind) {
    case 'not-needed':
      break
    case 'reserved':
      log('RELAYED', `behind a NAT; others reach this node through ${progress.relay}`)
      break
    case 'lost':
      log('RELAY_LOST', `the place at ${progress.relay} is gone; asking again`)
      break
    case 'refused':
      log('RELAY_REFUSED', `${progress.address}: ${progress.reason}; asking again`)
      break
    default:
      progress satisfies never
  }
}
