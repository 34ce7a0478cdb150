import { access } from 'node:fs/promises'
import { MurmurError } from '../protocol/errors.ts'

/** @throws MurmurError EXPORT_EXISTS (exit `usage`): one of the files is there. */
export async function assertAbsent(files: readonly string[]): Promise<void> {
  for (const file of files) {
    const isThere = await access(file).then(
      () => true,
      () => false,
    )
    if (!isThere) continue
    throw new MurmurError('EXPORT_EXISTS', {
      message: `${file} is already there`,
      next: 'choose another folder, or overwrite it with --force',
      exit: 'usage',
    })
  }
}
