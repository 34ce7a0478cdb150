import { expect, test } from 'vitest'
import { hashOf, peer } from '../../protocol/fixtures/names.ts'
import { workerId } from '../../protocol/ids.ts'
import { rules, VirtualHead } from './fixtures/virtual-head.ts'
import { maxRemembered } from './members.ts'

const [a, b, c] = [peer(1), peer(2), peer(3)]
const remembered = maxRemembered(rules)

test('a crowd that comes and goes under ever new names is remembered up to a bound, those who worked always', () => {
  const run = new VirtualHead()
  run.checks = false
  run.form(a, b, c)
  run.round(a, b, c)
  run.send({ kind: 'lost', worker: a })
  for (let name = 0; name < remembered + 50; name++) {
    run.send({ kind: 'join', worker: workerId(`crowd${name}`), fresh: false })
    run.send({ kind: 'lost', worker: workerId(`crowd${name}`) })
  }
  const { members } = run.state
  expect(members.size).toBe(remembered)
  for (const worker of [a, b, c]) expect(members.get(worker)?.localState).not.toBe(rules.emptyLocalState)
  expect(members.has(workerId(`crowd${remembered + 49}`))).toBe(true)
})

test('when all that are remembered are there, a run takes nobody else', () => {
  const run = new VirtualHead()
  run.checks = false
  for (let name = 0; name < remembered; name++)
    run.send({ kind: 'join', worker: workerId(`crowd${name}`), fresh: false })
  expect(run.send({ kind: 'join', worker: a, fresh: false })).toContain('RUN_FULL')
  expect(run.state.members.has(a)).toBe(false)
})

test('a worker that says ever other roots is recorded twice at most, and mends itself by the right one', () => {
  const run = new VirtualHead()
  run.form(a, b, c)
  run.round(a, b, c)
  const say = (text: string | null) =>
    run.say(a, {
      ...{ kind: 'stateRoot', round: 0, checkpoint: null },
      root: text === null ? run.state.stateRoot : hashOf(text),
    })
  say('wrong')
  const wrong = run.state
  for (let other = 0; other < 20; other++) say(`other ${other}`)
  expect(run.state).toBe(wrong)
  say(null)
  expect(run.state.roots.get(0)?.get(a)).toBe(run.state.stateRoot)
  const right = run.state
  say('wrong again')
  expect(run.state).toBe(right)
})
