import { timingSafeEqual } from 'node:crypto'
import type { StakeAdmission } from '../chain/admission.ts'
import { verifyPayoutBinding } from '../chain/payout-binding.ts'
import { MurmurError } from '../protocol/errors.ts'
import type { Address, Wei, WorkerId } from '../protocol/ids.ts'
import { commonVersion } from '../protocol/version-range.ts'
import type { HeadRequest } from '../protocol/wire.ts'
import type { Members } from './members.ts'

/** Who may work for a cluster. */
export interface AdmissionRules {
  /** What workers must present to join; empty lets anyone join. */
  readonly token: string
  /** Lets workers in without the token who have staked this much. */
  readonly stake: { readonly admission: StakeAdmission; readonly minWei: Wei } | null
}

export interface Admitted {
  /** The version of the protocol that both speak. */
  readonly protocol: number
  /** Whose agreement to be paid for this worker has been checked. */
  readonly payout: Address | null
}

/**
 * Checks a join: versions, that the account which is to be paid agreed, and the token or the stake.
 * @throws MurmurError PROTOCOL_MISMATCH, PAYOUT_BINDING_INVALID, JOIN_REFUSED, STAKE_BUSY
 */
export async function admitWorker(
  peer: WorkerId,
  body: Extract<HeadRequest['body'], { kind: 'join' }>,
  { token, stake }: AdmissionRules,
  members: Members,
): Promise<Admitted> {
  const protocol = commonVersion({ min: body.protocolMin, max: body.protocolMax })
  const byToken = (stake === null || body.token !== '') && sameToken(body.token, token)
  // Before any signature is checked: that costs more than comparing a token.
  if (stake === null && !byToken)
    throw refused(
      'the join token is missing or wrong',
      'ask the head’s owner for it, and pass it with --token',
    )
  const payout = body.payout === '' ? null : (body.payout as Address)
  if (payout !== null) {
    const signature = `0x${Buffer.from(body.payoutBinding).toString('hex')}` as const
    await verifyPayoutBinding({ peerId: peer }, signature, payout)
  }
  if (stake === null || byToken) return { protocol, payout }
  if (payout !== null) {
    // One stake admits one worker.
    const others = [...members.values()].filter(
      (member) => member.id !== peer && member.payout?.toLowerCase() === payout.toLowerCase(),
    )
    if (await stake.admission.hasStake(payout, stake.minWei * BigInt(others.length + 1)))
      return { protocol, payout }
  }
  throw refused(
    `neither the token nor a stake of ${stake.minWei} wei for each worker is there`,
    'stake with `murmur worker stake`, or pass the token with --token',
  )
}

/** In constant time. An empty expectation lets anyone in. */
function sameToken(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return expected === '' || (a.length === b.length && timingSafeEqual(a, b))
}

const refused = (message: string, next: string): MurmurError =>
  new MurmurError('JOIN_REFUSED', { message, next, exit: 'auth' })
