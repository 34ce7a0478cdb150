import type { Command } from 'commander'

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description(
      'say which engines run on this host, by a real training step on each, and what the others lack',
    )
    .option('--json', 'print one JSON document on stdout')
    .addHelpText(
      'after',
      `
Each engine takes two steps of the default model in a process of its own; the second one is timed. The exit code is
1 when ort-cpu, on which every node relies, does not run.

Example:
  murmur doctor --json`,
    )
    .action(async (options: { readonly json?: boolean }) => {
      await (await import('./doctor-command.ts')).doctorCommand(options)
    })
}
