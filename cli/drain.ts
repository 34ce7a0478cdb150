import type { Command } from 'commander'

export function addDrain(program: Command): void {
  program
    .command('drain')
    .description('let a node finish its round and leave; what it has earned stays its own')
    .argument('<node>', 'node by name (w1) or peer id: `murmur list nodes`')
    .option('--home <folder>', 'state folder of the cluster')
    .option('--json', 'print which node as one JSON document')
    .addHelpText('after', '\nExample:\n  murmur drain w2')
    .action(async (node: string, options: { home?: string; json?: boolean }) => {
      const [{ connectApi }, { homeFolder }] = await Promise.all([
        import('./api-client.ts'),
        import('./home.ts'),
      ])
      await (await connectApi(homeFolder(options.home))).drainNode(node)
      process.stdout.write(
        options.json === true ? `${JSON.stringify({ node })}\n` : `${node} leaves after its round\n`,
      )
    })
}
