import { Command, CommanderError } from 'commander'
import { MurmurError } from '../protocol/errors.ts'
import { addCheckpoint } from './checkpoint.ts'
import { addClaim } from './claim.ts'
import { addDemo } from './demo.ts'
import { addDoctor } from './doctor.ts'
import { addDown } from './down.ts'
import { addDrain } from './drain.ts'
import { addEval } from './eval.ts'
import { reportFailure } from './failure.ts'
import { addFund } from './fund.ts'
import { addList } from './list.ts'
import { addLogs } from './logs.ts'
import { addMetrics } from './metrics.ts'
import { addModel } from './model.ts'
import { requireNode } from './node-version.ts'
import { addPause } from './pause.ts'
import { addPlan } from './plan.ts'
import { addRefund } from './refund.ts'
import { addResume } from './resume.ts'
import { addRun } from './run.ts'
import { addSample } from './sample.ts'
import { addStart } from './start.ts'
import { addStatus } from './status.ts'
import { addStop } from './stop.ts'
import { addUp } from './up.ts'
import { version } from './version.ts'
import { addWorker } from './worker.ts'

// Verbs declare their options here and load their work only when they run: `--help` stays fast.
const program = new Command('murmur')
  .description('trains small models on computers that share only the internet, and pays for verified work')
  .version(version)
  .showSuggestionAfterError()
  .exitOverride()
  // Said once, below, in the form that every other error has.
  .configureOutput({ outputError: () => {} })

addDemo(program)
addUp(program)
addDown(program)
addStart(program)
addPlan(program)
addRun(program)
addStatus(program)
addList(program)
addLogs(program)
addMetrics(program)
addPause(program)
addResume(program)
addDrain(program)
addStop(program)
addCheckpoint(program)
addModel(program)
addEval(program)
addSample(program)
addFund(program)
addClaim(program)
addRefund(program)
addWorker(program)
addDoctor(program)

const json = process.argv.includes('--json')
// A fault of ours crashes the process; it does so in words.
process.on('uncaughtException', (error) => process.exit(reportFailure(error, json)))
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever read our output has had enough of it (`murmur status | head -1`).
  process.exit(error.code === 'EPIPE' ? 0 : 1)
})

try {
  requireNode(process.versions.node)
  await program.parseAsync()
  // Libraries may leave timers behind; every verb has ended what it started.
  process.exit(process.exitCode ?? 0)
} catch (error) {
  if (!(error instanceof CommanderError)) process.exit(reportFailure(error, json))
  if (error.exitCode === 0) process.exit(0)
  // No verb: commander has printed the help.
  process.exit(error.code === 'commander.help' ? 2 : reportFailure(usageError(error), json))
}

function usageError({ message }: CommanderError): MurmurError {
  const verb = program.commands.find((command) => command.name() === process.argv[2])?.name()
  return new MurmurError('USAGE', {
    message: message.replace(/^error: /, ''),
    next: `\`murmur ${verb === undefined ? '' : `${verb} `}--help\` shows what there is`,
    exit: 'usage',
  })
}
