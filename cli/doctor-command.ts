import { type EngineName, engineNames } from '../worker/engine/engine-names.ts'
import { isMissing, type Missing, type Probe, probeEngine } from '../worker/engine/engines.ts'
import { interruptible } from './interruptible.ts'
import { printable } from './log.ts'

type Finding = { readonly name: EngineName; readonly available: boolean } & (Probe | Missing)

/** `murmur doctor`: every engine is tried, whatever the others did. The exit code is 1 when ort-cpu fails. */
export async function doctorCommand(
  { json = false }: { readonly json?: boolean },
  probe: typeof probeEngine = probeEngine,
): Promise<void> {
  const engines: Finding[] = []
  await interruptible('run it again', async (signal) => {
    for (const name of engineNames) {
      const probed = await probe(name, signal)
      const finding = { name, available: !isMissing(probed), ...probed }
      engines.push(finding)
      if (!json) process.stdout.write(`${textOf(finding)}\n`)
    }
  })
  const ok = engines.some(({ name, available }) => name === 'ort-cpu' && available)
  if (json) process.stdout.write(`${JSON.stringify({ ok, engines })}\n`)
  else process.stderr.write(ok ? 'this host can train\n' : 'this host cannot train: ort-cpu does not run\n')
  if (!ok) process.exitCode = 1
}

function textOf(finding: Finding): string {
  const name = finding.name.padEnd(10)
  if (isMissing(finding))
    return `missing  ${name}  ${printable(finding.reason)}\n${''.padEnd(21)}fix: ${printable(finding.fix)}`
  const { stepMs, tokens, engineClass, lossNats } = finding
  const speed = `${stepMs.toFixed(0)} ms a step, ${Math.round((tokens / stepMs) * 1000)} tokens/s`
  return `runs     ${name}  ${speed}, loss ${lossNats.toFixed(4)} (${engineClass})`
}
