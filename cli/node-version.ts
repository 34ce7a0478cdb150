import { MurmurError } from '../protocol/errors.ts'

const [major, minor] = [24, 9]

/** @throws MurmurError NODE_TOO_OLD (exit `version`) */
export function requireNode(running: string): void {
  const [ours, minorOurs] = running.split('.').map(Number)
  if (ours! > major || (ours === major && minorOurs! >= minor)) return
  throw new MurmurError('NODE_TOO_OLD', {
    message: `murmur needs Node ${major}.${minor} or newer, this is ${running}`,
    next: 'run it through npm (`npm start`, `npm run murmur -- …`), which brings its own Node',
    exit: 'version',
  })
}
