#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { addCheckpoint } from './checkpoint.ts'
import { addClaim } from './claim.ts'
import { addDemo } from './demo.ts'
import { addDown } from './down.ts'
import { reportFailure } from './failure.ts'
import { addFund } from './fund.ts'
import { requireNode } from './node-version.ts'
import { addRefund } from './refund.ts'
import { addRun } from './run.ts'
import { addStart } from './start.ts'
import { addStatus } from './status.ts'
import { addStop } from './stop.ts'
import { addUp } from './up.ts'
import { version } from './version.ts'

// Verbs declare their options here and load their work only when they run: `--help` stays fast.
const program = new Command('murmur')
  .description('trains small models on computers that share only the internet, and pays for verified work')
  .version(version)
  .showSuggestionAfterError()
  .exitOverride()

addDemo(program)
addUp(program)
addDown(program)
addStart(program)
addRun(program)
addStatus(program)
addStop(program)
addCheckpoint(program)
addFund(program)
addClaim(program)
addRefund(program)

try {
  requireNode(process.versions.node)
  await program.parseAsync()
  // Libraries may leave timers behind; every verb has ended what it started.
  process.exit(process.exitCode ?? 0)
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2)
  process.exitCode = reportFailure(error, process.argv.includes('--json'))
  process.exit()
}
