import { MurmurError } from '../protocol/errors.ts'
import { continueText } from '../worker/data/continue-text.ts'
import { parseTokenizer } from '../worker/data/tokenizer.ts'
import { openTextSession } from '../worker/engine/open-text-session.ts'
import { ortCpuEngine } from '../worker/engine/ort-cpu.ts'
import { averageCount, averagedFields, averageText } from './checkpoint-average.ts'
import type { SampleCommandOptions } from './sample.ts'
import { type StoredModel, withModel } from './stored-model.ts'
import { wholeNumber } from './worker-count.ts'

/** Some minutes of the default model's text. */
const maxSampleBytes = 100_000

export async function sampleCommand(name: string | undefined, options: SampleCommandOptions): Promise<void> {
  const temperature = Number(options.temperature)
  if (!(temperature >= 0 && temperature <= 10)) {
    throw new MurmurError('TEMPERATURE_INVALID', {
      message: `--temperature is ${options.temperature}`,
      next: 'give a number from 0 to 10',
      exit: 'usage',
    })
  }
  const count = wholeNumber(options.count, '--count', 1, maxSampleBytes)
  const topK = wholeNumber(options.topK, '--top-k', 1, 65_536)
  const seed = wholeNumber(options.seed, '--seed', 0, Number.MAX_SAFE_INTEGER)
  const average = averageCount(options.average)
  const work = async (stored: StoredModel, signal: AbortSignal) => {
    const { cid, averaged, theta, spec, data, block } = stored
    const program = await block(spec.programs.sampling)
    const trained = { model: spec.model, lora: spec.train.lora }
    const session = await openTextSession(ortCpuEngine(), program, trained, signal)
    try {
      const { format } = data
      const tokenizer = format.kind === 'tokens' ? parseTokenizer(await block(format.tokenizer)) : null
      const print = (text: string) => {
        if (options.json !== true) process.stdout.write(shown(text))
      }
      if (averaged.length > 0 && options.json !== true) process.stderr.write(`${averageText(averaged)}\n`)
      print(options.prompt)
      const drawing = { count, temperature, topK, seed, onText: print }
      const text = await continueText(session, theta, options.prompt, tokenizer, drawing, signal)
      if (options.json === true)
        process.stdout.write(
          `${JSON.stringify({ checkpoint: cid, ...averagedFields(averaged), prompt: options.prompt, text })}\n`,
        )
      else process.stdout.write('\n')
    } finally {
      await session.close()
    }
  }
  await withModel(name, options.home, work, average)
}

/** What a model says must not steer a terminal: control characters but for line ends and tabs are dropped. */
const shown = (text: string): string => text.replace(/[^\P{Cc}\n\t]/gu, '')
