/*
 * Who may import whom (docs/architecture.md, "Who imports whom"). Run by `npm run check:rooms`.
 *
 * dependency-cruiser reads TypeScript by way of `typescript` below 7 or `@swc/core`. With neither it skips every .ts
 * file and reports success, so its absence is an error here.
 */
/** @type {{ prototype: { visitStatement(statement: { type: string }): unknown } }} */
let Visitor
try {
  Visitor = require('@swc/core/Visitor').Visitor
} catch (cause) {
  throw new Error(
    'check:rooms needs @swc/core: dependency-cruiser cannot read .ts files with TypeScript 7 and would check nothing',
    { cause },
  )
}
// The visitor predates `using`, which declares variables as `const` does.
const { visitStatement } = Visitor.prototype
Visitor.prototype.visitStatement = function (statement) {
  return visitStatement.call(
    this,
    statement.type === 'UsingDeclaration'
      ? { ...statement, type: 'VariableDeclaration', kind: 'const', declarations: statement.decls }
      : statement,
  )
}

const rooms = [
  'aggregation',
  'bench',
  'chain',
  'chaos',
  'checkpoints',
  'cli',
  'coordinator',
  'network',
  'program',
  'protocol',
  'simulation',
  'test',
  'verification',
  'worker',
]

/** Tests and their fixtures may wire rooms together; what ships may not. */
const tests = '\\.test\\.ts$|/fixtures/'

/** @param {string} room @param {readonly string[]} others @param {string} comment */
const importsOnly = (room, others, comment) => ({
  name: `${room}-imports-only-${others.join('-and-') || 'itself'}`,
  comment,
  severity: 'error',
  from: { path: `^${room}/`, pathNot: tests },
  to: { path: `^(${rooms.filter((other) => other !== room && !others.includes(other)).join('|')})/` },
})

/** @param {string} name @param {object} from @param {string} to @param {string} comment */
const never = (name, from, to, comment) => ({ name, comment, severity: 'error', from, to: { path: to } })

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment:
        'Files that need each other to load are one file. Cycles of types alone vanish when types are stripped.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-missing-file',
      comment: 'An import that resolves to nothing hides an edge from every other rule.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, path: '^\\.' },
    },
    importsOnly('protocol', [], 'Words and messages; everything else is built on it.'),
    importsOnly('aggregation', ['protocol'], 'Pure maths.'),
    importsOnly('program', ['protocol'], 'Builds and checks training programs.'),
    importsOnly('network', ['protocol'], 'Moves bytes without knowing what a run is.'),
    importsOnly('chain', ['protocol'], 'Moves money without knowing what training is.'),
    importsOnly(
      'checkpoints',
      ['protocol', 'aggregation', 'program'],
      'Stores θ, whose root is aggregation’s, and gives it out in the forms that program’s presets have elsewhere.',
    ),
    importsOnly(
      'verification',
      ['protocol', 'aggregation', 'worker'],
      'An audit re-executes what a worker does; it knows neither role’s runtime.',
    ),
    never(
      'verification-replays-but-is-no-worker',
      { path: '^verification/', pathNot: tests },
      '^worker/(?!engine/|data/|train-round\\.ts$|run-context\\.ts$)',
      'Only what decides the bytes of a round: engines, data, the round itself and the facts of its run.',
    ),
    never(
      'worker-never-coordinator',
      { path: '^worker/', pathNot: tests },
      '^(coordinator|cli|network)/',
      'The two roles meet only in the messages of protocol/; a worker gets its network as a port.',
    ),
    never(
      'coordinator-never-worker',
      { path: '^coordinator/', pathNot: tests },
      '^(worker|cli|network)/',
      'The two roles meet only in the messages of protocol/; the head gets its network as a port.',
    ),
    never(
      'nothing-imports-cli',
      { pathNot: `^(bench|chaos|cli|test)/|${tests}` },
      '^cli/',
      'Only the command line wires rooms together.',
    ),
    never(
      'nothing-imports-what-only-checks',
      { pathNot: `^(bench|chaos|simulation|test)/|${tests}` },
      '^(bench|chaos|simulation|test)/',
      'Benchmarks, simulation, chaos and cross-room tests are leaves.',
    ),
    never(
      'nothing-imports-a-test',
      {},
      '\\.test\\.ts$',
      'What two tests share has a name and a file of its own.',
    ),
  ],
  options: {
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(node_modules|chain/(out|cache)|coverage)/' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.cjs', '.json'], exportsFields: ['exports'] },
    moduleSystems: ['es6', 'cjs'],
  },
}
