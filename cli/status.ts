import type { Command } from 'commander'

export function addStatus(program: Command): void {
  program
    .command('status')
    .description('show the cluster: nodes, runs, and why anything waits')
    .option('--home <folder>', 'state folder of the cluster')
    .option('--json', 'print it as JSON')
    .addHelpText('after', '\nExample:\n  murmur status')
    .action(async (options: { home?: string; json?: boolean }) => {
      const [{ connectApi }, { homeFolder }, { printable }] = await Promise.all([
        import('./api-client.ts'),
        import('./home.ts'),
        import('./log.ts'),
      ])
      const status = await (await connectApi(homeFolder(options.home))).status()
      if (options.json === true) {
        process.stdout.write(`${JSON.stringify(status, null, 2)}\n`)
        return
      }
      const lines = [
        `head ${status.head}`,
        ...status.addresses.map((address) => `  join: murmur start --address ${address}`),
      ]
      if (status.chain !== null)
        lines.push(`  pays on chain ${status.chain.chainId}, escrow ${status.chain.escrow}`)
      lines.push('', `nodes (${status.nodes.length})`)
      for (const node of status.nodes) {
        const speed = node.tokensPerSecond > 0 ? `${Math.round(node.tokensPerSecond)} tokens/s` : ''
        lines.push(
          `  ${node.name.padEnd(5)} ${(node.connected ? node.phase : 'gone').padEnd(12)} ${printable(node.engineClass)}  ${speed}`.trimEnd(),
        )
      }
      lines.push('', `runs (${status.runs.length})`)
      for (const { run, name, phase, round, roundsTotal, pending } of status.runs) {
        lines.push(`  ${printable(name)}  ${phase}  round ${round}/${roundsTotal}  ${run}`)
        if (pending !== null) lines.push(`    waiting: ${printable(pending)}`)
      }
      process.stdout.write(`${lines.join('\n')}\n`)
    })
}
