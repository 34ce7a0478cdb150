import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { writeDurably } from '../../checkpoints/durable-file.ts'
import { MurmurError } from '../../protocol/errors.ts'
import type { Clock } from '../../protocol/ports.ts'
import { notFound } from './problem.ts'

export type Role = 'read' | 'admin'

/** Whoever asks: which token, and what it may do. */
export interface Principal {
  readonly id: string
  readonly role: Role
}

export interface TokenRecord {
  /** Public: names the token in lists, and in what it did. */
  readonly id: string
  readonly role: Role
  readonly label: string
  readonly createdAt: number
}

/** One for every person and program that looks at a head; more are a leak. */
const maxTokens = 64
/** A longer one is no token of ours, and is not hashed. */
const maxTokenChars = 128
const ownerId = 'owner'

const fileSchema = z.strictObject({
  version: z.literal(1),
  tokens: z
    .array(
      z.strictObject({
        id: z.string().regex(/^[a-z0-9]{8}$/),
        role: z.enum(['read', 'admin']),
        label: z.string().max(80),
        createdAt: z.int().min(0),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
      }),
    )
    .max(maxTokens),
})
type StoredToken = z.output<typeof fileSchema>['tokens'][number]

export interface TokenBookOptions {
  /** The first admin's token, which the head's owner has in a file; it cannot be revoked here. */
  readonly owner: string
  /** Folder that keeps the others; null forgets them with the process. */
  readonly folder: string | null
}

/**
 * The tokens of the API. Only their SHA-256 is kept: they are 192 random bits, which no salt or stretching would make
 * harder to guess, and a hash is looked up, so that the time it takes says nothing about the token.
 */
export class TokenBook {
  readonly #file: string | null
  readonly #clock: Clock
  readonly #owner: string
  #tokens: readonly StoredToken[]
  /** One change at a time: each writes the whole file. */
  #writing: Promise<void> = Promise.resolve()

  private constructor(owner: string, file: string | null, tokens: readonly StoredToken[], clock: Clock) {
    this.#owner = sha256(owner)
    this.#file = file
    this.#tokens = tokens
    this.#clock = clock
  }

  /** @throws MurmurError TOKENS_DAMAGED: it must not pass for a head without tokens. */
  static async open({ owner, folder }: TokenBookOptions, clock: Clock): Promise<TokenBook> {
    const file = folder === null ? null : path.join(folder, 'api-tokens.json')
    return new TokenBook(owner, file, file === null ? [] : await readTokens(file), clock)
  }

  /** Who has this token; undefined when nobody does. */
  find(token: string): Principal | undefined {
    if (token.length === 0 || token.length > maxTokenChars) return undefined
    const hash = sha256(token)
    if (hash === this.#owner) return { id: ownerId, role: 'admin' }
    const found = this.#tokens.find((known) => known.sha256 === hash)
    return found === undefined ? undefined : { id: found.id, role: found.role }
  }

  /** False once it is revoked: whoever has a stream open with it is cut off. */
  has(id: string): boolean {
    return id === ownerId || this.#tokens.some((token) => token.id === id)
  }

  list(): readonly TokenRecord[] {
    return this.#tokens.map(({ id, role, label, createdAt }) => ({ id, role, label, createdAt }))
  }

  /** Makes a token. Its text is given this once only. Throws TOO_MANY_TOKENS. */
  async create(role: Role, label: string): Promise<TokenRecord & { readonly token: string }> {
    const token = randomBytes(24).toString('base64url')
    const id = randomBytes(5).toString('hex').slice(0, 8)
    const record = { id, role, label, createdAt: Math.floor(this.#clock.now()) }
    await this.#change((tokens) => {
      if (tokens.length >= maxTokens) {
        throw new MurmurError('TOO_MANY_TOKENS', {
          message: `there are ${maxTokens} API tokens already`,
          next: 'revoke those that nobody uses: DELETE /api/v1/tokens/{id}',
          exit: 'infeasible',
        })
      }
      return [...tokens, { ...record, sha256: sha256(token) }]
    })
    return { ...record, token }
  }

  /** @throws MurmurError NOT_FOUND, TOKEN_IN_USE for the owner's */
  async revoke(id: string): Promise<void> {
    if (id === ownerId) {
      throw new MurmurError('TOKEN_IN_USE', {
        message: 'the owner’s token cannot be revoked through the API',
        next: 'stop the head, delete its api.token file, and start it again: it makes a new one',
        exit: 'usage',
      })
    }
    await this.#change((tokens) => {
      if (!tokens.some((token) => token.id === id))
        throw notFound(`there is no token ${id.slice(0, 40)}`, 'GET /api/v1/tokens lists them')
      return tokens.filter((token) => token.id !== id)
    })
  }

  async #change(change: (tokens: readonly StoredToken[]) => readonly StoredToken[]): Promise<void> {
    const work = this.#writing.then(async () => {
      const tokens = change(this.#tokens)
      if (this.#file !== null) {
        const text = `${JSON.stringify({ version: 1, tokens }, null, 2)}\n`
        await writeDurably(this.#file, new TextEncoder().encode(text))
      }
      this.#tokens = tokens
    })
    this.#writing = work.catch(() => {})
    await work
  }
}

async function readTokens(file: string): Promise<readonly StoredToken[]> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  try {
    return fileSchema.parse(JSON.parse(text)).tokens
  } catch (cause) {
    throw new MurmurError('TOKENS_DAMAGED', {
      message: `${file} is not a list of API tokens`,
      next: 'restore it, or delete it: every token but the owner’s is void then',
      cause,
    })
  }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
