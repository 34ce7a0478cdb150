import type { RoundReport, RunReport, WorkerReport } from '../../protocol/report.ts'
import type { NewEvent, RoundFigures } from '../events.ts'

/** How far a run's story has been told. */
export interface Told {
  readonly report: RunReport
  /** When its newest closed round was told; before the first, when training began. */
  readonly roundAt: number | null
}

/**
 * What has happened between two looks at a run, in the order in which it is told; `told` is undefined at the first look.
 * Pure: whoever looks at a run's reports often enough tells its whole story with this. Rounds that closed between two
 * looks share the time and the bytes between them; those that were closed at the first look have none.
 */
export function narrate(
  told: Told | undefined,
  report: RunReport,
  now: number,
): { readonly told: Told; readonly events: readonly NewEvent[] } {
  const before = told?.report
  const place = { run: report.run, worker: null } as const
  const rounds = report.rounds.slice(before?.rounds.length ?? 0)
  const seconds = told === undefined ? 0 : Math.max(0, now - (told.roundAt ?? report.startedAt ?? now)) / 1000
  const bytes = told === undefined ? 0 : Math.max(0, bytesOf(report) - bytesOf(told.report))
  const events: NewEvent[] = [
    ...newNotes(before, report).map(
      ({ code, text, at }): NewEvent => ({ ...place, kind: 'note', round: null, code, text, at }),
    ),
    ...workerEvents(before, report),
    ...rounds.map((round) => roundEvent(report, round, seconds / rounds.length, bytes / rounds.length)),
    ...historyEvents(before, report),
    ...(before?.phase === report.phase ? [] : phaseEvents(report)),
  ]
  return {
    events,
    told: { report, roundAt: rounds.length > 0 ? now : (told?.roundAt ?? report.startedAt) },
  }
}

function newNotes(before: RunReport | undefined, { notes }: RunReport): RunReport['notes'] {
  const last = before?.notes.at(-1)
  if (last === undefined) return notes
  const index = notes.findLastIndex(
    ({ at, code, text }) => at === last.at && code === last.code && text === last.text,
  )
  return notes.slice(index + 1)
}

function roundEvent(report: RunReport, round: RoundReport, seconds: number, bytes: number): NewEvent {
  const { epoch, trainLossNats, tokens, admitted, members, refused } = round
  const data: RoundFigures = {
    epoch,
    trainLossNats,
    tokens,
    seconds,
    tokensPerSecond: seconds === 0 ? 0 : tokens / seconds,
    bytes: Math.round(bytes),
    workers: admitted.length,
    members: members.length,
    refused: refused.map(({ code }) => code),
  }
  const loss = trainLossNats === null ? 'nobody was admitted' : `loss ${trainLossNats.toFixed(3)} nats`
  return {
    kind: 'round-closed',
    run: report.run,
    round: round.round,
    worker: null,
    code: 'ROUND_CLOSED',
    text: `${loss}, ${data.workers} of ${data.members} workers, ${tokens} tokens`,
    data,
  }
}

function phaseEvents(report: RunReport): readonly NewEvent[] {
  const { run, phase, pending, error, workers } = report
  const round = report.round < report.roundsTotal ? report.round : null
  const reason = error === null ? pending : `${error.code}: ${error.message}`
  const place = { run, round, worker: null } as const
  const text = reason === null ? phase : `${phase}: ${reason}`
  const change: NewEvent = { ...place, kind: 'phase', code: 'PHASE', text, data: { phase, pending } }
  if (phase !== 'train') return [change]
  const members = workers.filter(({ status }) => status === 'ready').length
  const data = { epoch: epochOf(report), members }
  return [
    change,
    { ...place, kind: 'round-opened', code: 'ROUND_OPENED', text: `with ${members} workers`, data },
  ]
}

const gone = new Set(['lost', 'left', 'ejected'])

function workerEvents(before: RunReport | undefined, after: RunReport): readonly NewEvent[] {
  const known = new Map(before?.workers.map((worker) => [worker.id, worker]))
  return after.workers.flatMap((worker): readonly NewEvent[] => {
    const past: WorkerReport | undefined = known.get(worker.id)
    const place = { run: after.run, round: after.round, worker: worker.id } as const
    const { status, name, error } = worker
    const data = { status }
    const told: NewEvent[] = []
    const [was, is] = [past === undefined || gone.has(past.status), gone.has(status)]
    if (was && !is)
      told.push({
        ...place,
        kind: 'worker-joined',
        code: 'WORKER_JOINED',
        text: `${name} is ${status}`,
        data,
      })
    if (!was && is)
      told.push({ ...place, kind: 'worker-lost', code: 'WORKER_LOST', text: `${name} is ${status}`, data })
    if (error !== null && error !== past?.error)
      told.push({
        ...place,
        kind: 'worker-error',
        code: 'WORKER_ERROR',
        text: `${name}: ${error}`,
        data: { error },
      })
    return told
  })
}

interface Evaluated {
  /** Rounds done. */
  readonly step: number
  readonly lossNats: number | null
  readonly accuracy: number | null
}

/** Before the first round, at each checkpoint, and at the end where that is none. */
function evaluationsOf({ heldOutLossNats, heldOutAccuracy, checkpoints, round }: RunReport): Evaluated[] {
  const told: Evaluated[] = [
    { step: 0, lossNats: heldOutLossNats.before, accuracy: heldOutAccuracy.before },
    ...checkpoints.map((checkpoint) => ({
      step: checkpoint.round + 1,
      lossNats: checkpoint.heldOutLossNats,
      accuracy: checkpoint.heldOutAccuracy,
    })),
  ]
  // The end of a run between two checkpoints; at one, the same figure has been told.
  if (!checkpoints.some((checkpoint) => checkpoint.round + 1 === round))
    told.push({ step: round, lossNats: heldOutLossNats.after, accuracy: heldOutAccuracy.after })
  return told
}

function newEvaluations(before: RunReport | undefined, after: RunReport) {
  const past = before === undefined ? [] : evaluationsOf(before)
  return evaluationsOf(after).flatMap(({ step, lossNats, accuracy }) => {
    const known = past.some((each) => each.step === step && each.lossNats === lossNats)
    return lossNats === null || known ? [] : [{ step, lossNats, accuracy }]
  })
}

function historyEvents(before: RunReport | undefined, after: RunReport): readonly NewEvent[] {
  const place = { run: after.run, worker: null } as const
  const events: NewEvent[] = []
  for (const checkpoint of after.checkpoints.slice(before?.checkpoints.length ?? 0)) {
    const { epoch, round, cid } = checkpoint
    events.push({ ...place, kind: 'checkpoint', round, code: 'CHECKPOINT', text: cid, data: { epoch, cid } })
  }
  for (const { step, lossNats, accuracy } of newEvaluations(before, after)) {
    const right = accuracy === null ? '' : `, accuracy ${(100 * accuracy).toFixed(2)} %`
    events.push({
      ...place,
      kind: 'evaluation',
      round: null,
      code: 'EVALUATION',
      text: `held-out loss ${lossNats.toFixed(3)}${right} after ${step} rounds`,
      data: {
        ...{ step, heldOutLossNats: lossNats },
        ...(accuracy === null ? {} : { heldOutAccuracy: accuracy }),
      },
    })
  }
  for (const epoch of after.epochs) {
    const past = before?.epochs.find((known) => known.epoch === epoch.epoch)
    for (const audit of epoch.audits.slice(past?.audits.length ?? 0)) {
      events.push({
        ...place,
        kind: 'audit',
        round: audit.round,
        worker: audit.worker,
        code: `AUDIT_${audit.outcome.toUpperCase()}`,
        text: `replayed: ${audit.code}`,
        data: audit,
      })
    }
    if (epoch.settled && past?.settled !== true) {
      events.push({
        ...place,
        kind: 'epoch-settled',
        round: null,
        code: 'EPOCH_SETTLED',
        text: `epoch ${epoch.epoch + 1} is settled`,
        data: { epoch: epoch.epoch, paid: epoch.paid },
      })
    }
  }
  return events
}

const bytesOf = ({ workers }: RunReport): number =>
  workers.reduce((sum, { bytesSent, bytesReceived }) => sum + bytesSent + bytesReceived, 0)

const epochOf = ({ round, epochsTotal, roundsTotal }: RunReport): number =>
  Math.floor((round * epochsTotal) / roundsTotal)
