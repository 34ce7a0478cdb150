import { z } from 'zod'
import { withDocument } from '../coordinator/api/openapi.ts'
import type { Route } from '../coordinator/api/route.ts'
import { type RouteDependencies, routesOf } from '../coordinator/api/routes.ts'

/** The whole text of docs/api.md: its tables are the routes that are served. */
export function renderApiPage(): string {
  // Nothing of a head is needed to say what it serves.
  const routes = withDocument(routesOf({} as RouteDependencies), '0')
  return [
    head,
    ...table(['method and path', 'role', 'takes', 'answers', 'what it does'], routes.map(rowOf)),
    tail,
  ].join('\n')
}

function rowOf({ method, path, role, query, body, status, answer, summary }: Route): readonly string[] {
  const { properties = {} } = query === undefined ? {} : z.toJSONSchema(query, { io: 'input' })
  const queried = Object.keys(properties).map((name) => `\`${name}\``)
  const taken = body === undefined ? [] : body === 'bytes' ? ['bytes'] : [`a ${idOf(body)}`]
  return [
    `\`${method.toUpperCase()} ${path}\``,
    role,
    [...queried, ...taken].join(', '),
    path.endsWith('/stream') ? '101' : `${status}${answer === undefined ? '' : ` ${answerOf(answer)}`}`,
    summary,
  ]
}

const answerOf = (answer: z.ZodType | string): string =>
  typeof answer === 'string' ? answer.split(';')[0]! : (idOf(answer) ?? 'JSON')

const idOf = (schema: z.ZodType): string | undefined => schema.meta()?.id

/** Columns are padded to equal width, as the formatter of this repository writes tables. */
function table(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = titles.map((_, column) =>
    Math.max(3, ...[titles, ...rows].map((row) => [...row[column]!].length)),
  )
  const line = (cells: readonly string[], fill: string): string =>
    `| ${cells.map((cell, column) => cell + fill.repeat(widths[column]! - [...cell].length)).join(' | ')} |`
  const rule = line(
    widths.map(() => ''),
    '-',
  )
  return [line(titles, ' '), rule, ...rows.map((row) => line(row, ' '))]
}

const head = `# The head’s API

<!-- Written by \`node docs/generate-api.ts\` from coordinator/api/ and docs/api-page.ts. Edit those, then run it again. -->

HTTP and one WebSocket, on 127.0.0.1 only. \`ready.json\` in the head’s folder says the port, \`api.token\` beside it (readable by
its owner only) is the first token. The schemas are in \`GET /api/v1/openapi.json\` (OpenAPI 3.1).

\`\`\`sh
home=~/.local/state/murmur/default/head
curl -H "Authorization: Bearer $(cat $home/api.token)" "$(node -p "require('$home/ready.json').apiUrl")/api/v1/status"
\`\`\`

## Who may ask

- **Token**: \`Authorization: Bearer …\` on every method of every path, those that do not exist included, and on the socket.
  \`POST /api/v1/tokens\` makes more, with the role \`read\` or \`admin\`; what is kept of them is a SHA-256. A revoked token’s
  streams end within a heartbeat.
- **Host**: 127.0.0.1, localhost, [::1], and what the head’s owner lists, so that a page which makes its own name point here
  (DNS rebinding) is refused. **Origin**: none but those that the owner lists; for them CORS preflights are answered.
- **Pace**: each token has 500 requests at once and 250 a second, and for blocks 4,000 and 2,000; beyond that 429 with
  \`Retry-After\`.

## Errors

RFC 9457 (\`application/problem+json\`): \`title\` is a stable code, \`detail\` the cause, \`next\` what to do, \`exit\` how the command
line ends. 400 the request, 401 the token, 403 Host, Origin or role, 404 no such thing, 405 with \`Allow\`, 413 too long, 429 too
often, 500 a fault of the head, which only its log describes.

## Routes
`

const tail = `
Rounds, epochs and steps count from 0, token amounts are decimal strings of base units, times are milliseconds since the epoch.

## The stream

\`GET /api/v1/stream?since=…&run=…\` with the subprotocol \`murmur.v1\`. Browsers cannot set headers on a WebSocket: they offer
a second subprotocol, \`murmur.v1.token.<token>\`, which stays out of URLs and logs and is not sent back.

Each message is a JSON text:

| type        | when                                                                     | fields                                       |
| ----------- | ------------------------------------------------------------------------ | -------------------------------------------- |
| \`hello\`     | first                                                                    | \`version\`, \`newest\`, \`oldest\`, \`heartbeatMs\` |
| \`gap\`       | events after \`since\` are not kept any more                               | \`newest\`                                     |
| \`event\`     | something happened                                                       | an Event                                     |
| \`heartbeat\` | every \`heartbeatMs\` (10 s), with a ping; no pong by the next one ends it | \`newest\`                                     |

- Sequence numbers rise by one. After a disconnection, connect with the last one that was read as \`since\`: nothing that is kept
  is missed or repeated. \`since=0\` replays all that is kept (10,000 events); without it the stream begins now. A head that was
  started again begins with a higher number, and tells a gap.
- The next page is read when the last one has left for the network: a slow reader costs one page of memory. More than 2,000 events
  behind, it is dropped (close code 4408, \`SUBSCRIBER_SLOW\`).
- Other close codes: 4401 the token was revoked, 1001 the head stops, 1008 the client sent a message: nothing is read.

Kinds of events: \`phase\`, \`round-opened\`, \`round-closed\`, \`worker-joined\`, \`worker-lost\`, \`worker-error\`, \`audit\`,
\`epoch-settled\`, \`checkpoint\`, \`evaluation\`, \`note\`, \`log\`; \`code\` and \`text\` say it in words, \`data\` has the figures
(\`coordinator/events.ts\`).

## Figures

- \`GET /metrics\`: Prometheus. Labels take few values: runs under way (16), workers by short name (128), codes of our own (32), paths as
  in the table above. In \`prometheus.yml\`: \`authorization: {credentials_file: …/api.token}\`, better with a \`read\` token.
- \`<head’s folder>/metrics/<run>/metrics.jsonl\`: a line a closed round or evaluation; \`step\` is the number of rounds done. Beside it
  TensorBoard’s event files: \`tensorboard --logdir <head’s folder>/metrics\`.
`
