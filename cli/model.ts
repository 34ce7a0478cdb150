import type { Command } from 'commander'

export function addModel(program: Command): void {
  const model = program
    .command('model')
    .description('models and weights that runs name by CID')
    .addHelpText('after', '\nExample:\n  murmur model put model.onnx')
  model
    .command('put')
    .description('give a file to the head, where run files find it by the CID that is printed')
    .argument('<file>', 'an ONNX file that keeps all in itself, or weights in safetensors')
    .option('--home <folder>', 'state folder of the cluster')
    .option('--json', 'print the CID, its bytes and blocks as JSON')
    .addHelpText(
      'after',
      '\nExample:\n  murmur model put model.onnx\n  murmur run run.yaml --set model.onnx=bafy…',
    )
    .action(async (file: string, options: { home?: string; json?: boolean }) => {
      const { modelPutCommand } = await import('./model-put-command.ts')
      await modelPutCommand(file, options)
    })
}
