import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { createHeliaLight } from 'helia'

type Init = NonNullable<Parameters<typeof createHeliaLight>[0]>

/**
 * `createHeliaLight` of the package `helia`, from the class's own file: the package's index also loads the libp2p and the
 * HTTP gateways of `createHelia`, a third of what a node takes to start and none of it used here.
 */
export async function lightHelia(init: Init): Promise<ReturnType<typeof createHeliaLight>> {
  const index = pathToFileURL(createRequire(import.meta.url).resolve('helia'))
  const { Helia } = await import(new URL('./helia.js', index).href)
  return new Helia({ name: 'murmur', version: '1', ...init })
}
