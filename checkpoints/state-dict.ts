import type { ParameterPlace } from './parameter-file.ts'
import { readSafetensors, type Tensor, writeSafetensors } from './safetensors.ts'

/** What a PyTorch module's `state_dict` has beside the parameters that are trained. */
export interface StateDictExtras {
  /** Names under which a module has a parameter once more → the parameter. */
  readonly tied: Readonly<Record<string, string>>
}

/**
 * A parameter file with every key that the `state_dict` of the PyTorch module has, so that `load_state_dict` takes it
 * strictly: parameters under their further names, and `num_batches_tracked` of each BatchNorm (torch.nn.BatchNorm2d
 * registers it beside `running_mean` and `running_var`; it only matters where momentum is None, and is 0). The file as
 * it is where nothing is missing.
 */
export function withStateDictKeys(
  file: Uint8Array,
  table: readonly Pick<ParameterPlace, 'name'>[],
  { tied }: StateDictExtras,
): Uint8Array {
  const names = new Set(table.map(({ name }) => name))
  const counters = [...names].flatMap((name) => {
    const module = /^(|.*\.)running_mean$/.exec(name)?.[1]
    return module !== undefined && names.has(`${module}running_var`) ? [`${module}num_batches_tracked`] : []
  })
  const aliases = Object.entries(tied).filter(([alias, name]) => !names.has(alias) && names.has(name))
  if (counters.length === 0 && aliases.length === 0) return file
  const { tensors, metadata } = readSafetensors(file)
  const all = new Map<string, Tensor>(tensors)
  for (const name of counters) all.set(name, { dtype: 'I64', shape: [], bytes: new Uint8Array(8) })
  for (const [alias, name] of aliases) all.set(alias, tensors.get(name)!)
  return writeSafetensors({ tensors: all, metadata })
}
