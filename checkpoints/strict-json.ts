export type StrictJson = string | number | readonly StrictJson[] | ReadonlyMap<string, StrictJson>

/** A safetensors header nests three levels; anything deeper is refused before the stack is. */
const maxDepth = 4

/**
 * Parses the JSON that a safetensors header may hold: objects, arrays, strings and non-negative integers. Unlike
 * `JSON.parse` it refuses duplicate keys, which one reader would resolve to the first and another to the last, and
 * gives objects as Maps, so that a key such as `__proto__` is only a key. Throws SyntaxError.
 */
export function parseStrictJson(text: string): StrictJson {
  let at = 0

  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const match = pattern.exec(text)?.[0]
    if (match !== undefined) at += match.length
    return match
  }
  const fail = (expected: string): never => {
    throw new SyntaxError(`${expected} expected at character ${at}`)
  }
  const skip = (): unknown => take(/[ \t\r\n]*/y)
  const expect = (sign: string): void => {
    if (text[at] !== sign) fail(`'${sign}'`)
    at++
    skip()
  }
  const string = (): string => {
    const literal = take(/"(?:[^"\\]|\\.)*"/y)
    if (literal === undefined) return fail('a string')
    skip()
    const value = JSON.parse(literal) as string // refuses control characters and unknown escapes
    return value.isWellFormed() ? value : fail('well-formed Unicode')
  }
  const integer = (): number => {
    const value = Number(take(/(?:0|[1-9][0-9]*)(?![0-9.eE])/y) ?? fail('a value'))
    if (!Number.isSafeInteger(value)) fail('a safe integer')
    skip()
    return value
  }
  /** Items between brackets, separated by commas. */
  const items = (opening: string, closing: string, item: () => void): void => {
    expect(opening)
    if (text[at] !== closing) {
      item()
      while (text[at] === ',') {
        expect(',')
        item()
      }
    }
    expect(closing)
  }
  const value = (depth: number): StrictJson => {
    if (depth > maxDepth) fail('less nesting')
    if (text[at] === '{') {
      const object = new Map<string, StrictJson>()
      items('{', '}', () => {
        const key = string()
        if (object.has(key)) fail(`a second "${key.slice(0, 60)}" not`)
        expect(':')
        object.set(key, value(depth + 1))
      })
      return object
    }
    if (text[at] === '[') {
      const array: StrictJson[] = []
      items('[', ']', () => array.push(value(depth + 1)))
      return array
    }
    return text[at] === '"' ? string() : integer()
  }

  skip()
  const result = value(1)
  if (at !== text.length) fail('the end')
  return result
}
