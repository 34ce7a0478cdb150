import { reportedNode } from '../coordinator/placement/node-views.ts'
import { type Plan, type PlanInput, planRun } from '../coordinator/placement/plan.ts'
import { modelShapeOf } from '../program/model-spec.ts'
import { adjustedOperations, operationsPerToken } from '../program/operations.ts'
import { exitCodes, isMurmurError } from '../protocol/errors.ts'
import { cidText } from '../protocol/ids.ts'
import type { ClusterReport } from '../protocol/report.ts'
import type { RunFile } from '../protocol/run-spec.ts'
import { parseDataManifest } from '../worker/data/manifest.ts'
import { connectApi } from './api-client.ts'
import { headBlocks } from './head-blocks.ts'
import { homeFolder } from './home.ts'
import type { PlanOptions } from './plan.ts'
import { planText } from './plan-text.ts'
import { type PreparedRun, prepareRun, readRunFile } from './submit.ts'

export async function planCommand(file: string, options: PlanOptions): Promise<void> {
  const runFile = await readRunFile(file, options.set)
  const home = homeFolder(options.home)
  const input = planInput(runFile, await prepareRun(runFile, 'plan', headBlocks(home)))
  const cluster = await clusterOf(home)
  const plan = planRun({ ...input, nodes: cluster === null ? null : cluster.nodes.map(reportedNode) })
  process.stdout.write(`${options.json === true ? planJson(plan) : planText(plan)}\n`)
  if (plan.pending?.code === 'NODES_MISSING') process.exitCode = exitCodes.infeasible
}

/** What building its programs and cutting its data tells of a run. */
export function planInput(
  file: RunFile,
  { run, spec, blocks, model }: PreparedRun,
): Omit<PlanInput, 'nodes'> {
  const bytesOf = (cid: string): number => blocks.get(cidText(cid))!.length
  const { parameterCount, movingCount, moments, table, memoryBytes, task, tokensPerStep } = model
  const perToken =
    spec.model.preset === 'onnx'
      ? 6 * parameterCount
      : operationsPerToken(modelShapeOf(spec.model), parameterCount)
  const { shards } = parseDataManifest(blocks.get(spec.data)!)
  return {
    ...{ file, parameterCount, movingCount, moments, table, task, tokensPerStep },
    operationsPerToken: adjustedOperations(perToken, {
      frozenCount: parameterCount - movingCount,
      recompute: spec.train.recompute,
    }),
    programMemoryBytes: memoryBytes,
    sharedBytes:
      bytesOf(run) +
      bytesOf(spec.programs.training) +
      bytesOf(spec.data) +
      (spec.init === null ? 0 : 4 * parameterCount),
    shardBytes: shards.map(({ cid }) => bytesOf(cid)),
    epochRewardWei: spec.reward === null ? null : BigInt(spec.reward.perEpochWei),
  }
}

/** Null where no head is running, which stderr is told. */
async function clusterOf(home: string): Promise<ClusterReport | null> {
  try {
    return await (await connectApi(home)).status()
  } catch (error) {
    if (!isMurmurError(error) || error.exit !== 'unreachable') throw error
    process.stderr.write(`${error.message}: planned for workers.min nodes of unknown speed\n`)
    return null
  }
}

const planJson = (plan: Plan): string =>
  JSON.stringify(plan, (_, value) => (typeof value === 'bigint' ? value.toString() : value), 2)
