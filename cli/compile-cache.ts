import { enableCompileCache } from 'node:module'
import path from 'node:path'

// Imported before everything else: what Node has compiled once, types stripped, is kept between starts. A node starts in
// about half the time; without a writable folder it only starts slower. Kept with the installation, of which it is a
// part: a node writes nowhere else on its host but in its home.
enableCompileCache(path.join(import.meta.dirname, '..', 'node_modules', '.cache', 'murmur', 'compile'))
