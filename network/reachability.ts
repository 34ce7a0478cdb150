import type { WorkerId } from '../protocol/ids.ts'

/** What one peer, through identify, says of where our connection to it comes from. */
export interface Observation {
  readonly observer: WorkerId
  readonly observedHost: string
  readonly observedPort: number
  /** The port that the connection has on this side; undefined where the transport does not tell. */
  readonly localPort: number | undefined
}

/**
 * `public`: a peer elsewhere sees one of our own, public addresses. `nat`: peers see an address that none of our
 * interfaces has. `symmetric`: two peers see one local port as different outside ports, so that no third can guess
 * what it will see (endpoint-dependent mapping, RFC 4787, section 4.1). `unknown`: nobody outside our network has told.
 */
export type Reachability = 'public' | 'nat' | 'symmetric' | 'unknown'

/**
 * @param observations at most one for each connection
 * @param localHosts addresses of this host's interfaces
 * @param isPrivateHost whether an address is outside the public internet
 */
export function reachabilityOf(
  observations: readonly Observation[],
  localHosts: ReadonlySet<string>,
  isPrivateHost: (host: string) => boolean,
): Reachability {
  const translated = observations.filter(({ observedHost }) => !localHosts.has(observedHost))
  if (translated.length > 0) return mappingsDiffer(translated) ? 'symmetric' : 'nat'
  return observations.some(({ observedHost }) => !isPrivateHost(observedHost)) ? 'public' : 'unknown'
}

function mappingsDiffer(observations: readonly Observation[]): boolean {
  const seen = new Map<number, { readonly observer: WorkerId; readonly outside: string }>()
  for (const { observer, localPort, observedHost, observedPort } of observations) {
    if (localPort === undefined) continue
    const outside = `${observedHost} ${observedPort}`
    const before = seen.get(localPort)
    if (before === undefined) seen.set(localPort, { observer, outside })
    else if (before.observer !== observer && before.outside !== outside) return true
  }
  return false
}
