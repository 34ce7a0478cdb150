import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Journal } from '../coordinator/journal/journal.ts'
import { openLogFile } from '../coordinator/journal/log-file.ts'
import { encodeRecord, type HeadRecord } from '../coordinator/journal/record.ts'
import { runId } from '../protocol/ids.ts'

export interface JournalRates {
  /** Records a second, each waited for until it is durable. */
  readonly oneByOne: number
  /** With 64 that wait at once: they share writes and fsyncs. */
  readonly together: number
  /** The same bytes one by one in a plain file: write, fdatasync. */
  readonly plainFile: number
}

const record: HeadRecord = {
  kind: 'round',
  run: runId('bafyreigqu36f3v7txhetfigphxsgorxd4wbkxkr57lxyw6j6qt5pvucbde'),
  now: 1_790_000_000_000,
  event: { kind: 'tick' },
}
const atOnce = 64

/** How fast the head's log takes records on this disk, beside a file that does no more than it must. */
export async function measureJournal(records: number): Promise<JournalRates> {
  const folder = await mkdtemp(path.join(tmpdir(), 'murmur-bench-journal-'))
  try {
    const { journal } = await Journal.open(await openLogFile(path.join(folder, 'journal.log')), {
      onFatal: () => {},
    })
    const append = async () => {
      journal.append(record)
      await journal.durable()
    }
    await rate(50, append)
    const oneByOne = await rate(records, append)
    const batches = await rate(records, async () => {
      await Promise.all(Array.from({ length: atOnce }, append))
    })
    await journal.close()
    const bytes = encodeRecord(record)
    await using file = await open(path.join(folder, 'plain.log'), 'a')
    const plainFile = await rate(records, async () => {
      await file.write(bytes)
      await file.datasync()
    })
    return { oneByOne, together: batches * atOnce, plainFile }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Times a second. */
async function rate(times: number, work: () => Promise<void>): Promise<number> {
  const begun = performance.now()
  for (let done = 0; done < times; done++) await work()
  return times / ((performance.now() - begun) / 1_000)
}
