import { MurmurError } from '../../protocol/errors.ts'
import { maxTokensPerRound } from '../../protocol/limits.ts'
import type { TrainSection } from '../../protocol/run-spec.ts'

/**
 * Whether what one worker trains in a round can be told: reveals and manifests count its tokens (protocol/wire.ts).
 * @throws MurmurError ROUND_TOO_LONG (exit `usage`).
 */
export function checkRoundTokens(
  { train }: { readonly train: Pick<TrainSection, 'innerSteps'> },
  tokensPerStep: number,
): void {
  const tokens = train.innerSteps * tokensPerStep
  if (tokens <= maxTokensPerRound) return
  throw new MurmurError('ROUND_TOO_LONG', {
    message: `train.innerSteps ${train.innerSteps} of ${tokensPerStep} tokens or rows each are ${tokens} a round; ${maxTokensPerRound} is the most`,
    next: `set train.innerSteps to ${Math.floor(maxTokensPerRound / tokensPerStep)} or fewer, or lower train.batch`,
    exit: 'usage',
  })
}
