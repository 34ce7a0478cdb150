/** Bytes that one worker sends and receives in a round, of a model with this many parameters. */
export interface Topology {
  readonly name: string
  bytesPerWorker(workers: number, contributionBytes: number, parameterCount: number): number
}

/** Every replica fetches every contribution, and on average serves its own to all others. */
const allGather: Topology = {
  name: 'all-gather of contributions',
  bytesPerWorker: (workers, bytes) => 2 * (workers - 1) * bytes,
}

/** A ring all-reduce of dense f32: 2 (R − 1) / R times the vector, sent and received (Patarasuk and Yuan, 2009). */
const denseRing: Topology = {
  name: 'dense ring, f32',
  bytesPerWorker: (workers, _, parameterCount) => (2 * 2 * (workers - 1) * parameterCount * 4) / workers,
}

/** The size of groups that costs least: √(R · d / s), d the bytes of a group's sum and s of a contribution. */
function bestGroup(workers: number, contributionBytes: number, sumBytes: number): number {
  const candidates = Array.from({ length: Math.ceil(Math.sqrt(workers)) * 4 }, (_, index) => index + 1)
  const cost = (group: number) => twoLevel(workers, group, contributionBytes, sumBytes)
  return candidates.filter((group) => group <= workers).toSorted((a, b) => cost(a) - cost(b))[0]!
}

/**
 * Groups of `group`: all-gather inside, then each group's sum, a contribution of the union of its members' entries and so
 * up to `group` times as long but never longer than dense, is gathered by everyone. Each member serves its group's sum to
 * its share of the others.
 */
function twoLevel(workers: number, group: number, contributionBytes: number, sumBytes: number): number {
  const groups = Math.ceil(workers / group)
  return (
    2 * (group - 1) * contributionBytes + 2 * (groups - 1) * Math.min(sumBytes, group * contributionBytes)
  )
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(2)

/** Bytes a worker and round by topology, with the real size of a contribution, and where one overtakes another. */
export function topologyTable(parameterCount: number, contributionBytes: number): readonly string[] {
  const dense = parameterCount * 4
  // A group's sum recompressed as any contribution is, with error feedback kept by the group.
  const groupSum = contributionBytes
  const sizes = [2, 4, 8, 16, 32, 37, 64, 128, 256, 1_000, 10_000]
  const rows = sizes.map((workers) => {
    const unionGroup = bestGroup(workers, contributionBytes, dense)
    const sumGroup = bestGroup(workers, contributionBytes, groupSum)
    return [
      String(workers),
      megabytes(allGather.bytesPerWorker(workers, contributionBytes, parameterCount)),
      megabytes(denseRing.bytesPerWorker(workers, contributionBytes, parameterCount)),
      `${megabytes(twoLevel(workers, unionGroup, contributionBytes, dense))} (groups of ${unionGroup})`,
      `${megabytes(twoLevel(workers, sumGroup, contributionBytes, groupSum))} (groups of ${sumGroup})`,
    ]
  })
  let crossing = 2
  while (
    allGather.bytesPerWorker(crossing, contributionBytes, parameterCount) <
    denseRing.bytesPerWorker(crossing, contributionBytes, parameterCount)
  )
    crossing++
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    `${parameterCount} parameters, a contribution of ${contributionBytes} bytes; MB sent and received a worker and round`,
    '',
    line([
      'workers',
      allGather.name,
      denseRing.name,
      'two levels, exact union',
      'two levels, sums recompressed',
    ]),
    line(['---:', '---:', '---:', '---:', '---:']),
    ...rows.map(line),
    '',
    `a dense ring costs less than all-gather from ${crossing} workers on`,
  ]
}
