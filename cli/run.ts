import type { Command } from 'commander'

interface RunOptions {
  model?: string
  set: string[]
  home?: string
  detach?: boolean
  json?: boolean
  id?: string
  fundingTimeout: string
  queue?: boolean
  priority: string
}

export function addRun(program: Command): void {
  program
    .command('run')
    .description('submit a run to the cluster, and follow it')
    .argument('[file]', 'the run file (YAML); may be left out beside --model')
    .option('--set <key=value>', 'override a key of the run file, e.g. train.epochs=5', collect, [])
    .option('--model <file>', 'an ONNX file to train, or the CID of one (docs/bring-your-own-model.md)')
    .option('--home <folder>', 'state folder of the cluster')
    .option('--id <text>', 'submission id: submitting twice with one id makes one run')
    .option('--detach', 'submit only; print the run’s id')
    .option('--queue', 'submit it also when the nodes that are there could not start it')
    .option('--priority <number>', 'from -100 to 100; higher goes first', '0')
    .option('--funding-timeout <seconds>', 'how long to wait for the escrow to be funded', '600')
    .option('--json', 'print the result as one JSON document')
    .addHelpText(
      'after',
      `
Example run.yaml (every key is optional):
  name: moby
  data: {builtin: moby-dick}      # or mnist, {file: my.txt}, {file: my.csv, target: price}: docs/data.md
  model: {layers: 4, width: 128, heads: 4, context: 64}   # or {preset: cnn}, mlp, linear
  train: {epochs: 3, innerSteps: 40}
  workers: {min: 4}
  reward: {perEpoch: "100"}       # leave out to train unpaid

  murmur run run.yaml --set train.epochs=5`,
    )
    .action(async (file: string | undefined, options: RunOptions) => {
      const { runCommand } = await import('./run-command.ts')
      await runCommand(file, options)
    })
}

const collect = (value: string, before: string[]): string[] => [...before, value]
