import { domainOf } from './decode-node.ts'
import { unsupportedOnnx } from './refusal.ts'
import { type FieldBudget, integerOf, textOf, wireFields } from './wire-reader.ts'

/** Opset 13 made axes inputs and Softmax per axis; 21 is the newest that the operators here were compared with. */
const [oldest, newest] = [13, 21]

/** An OperatorSetIdProto. */
export function decodeOpset(message: Uint8Array, budget: FieldBudget) {
  let [domain, version] = ['', 0]
  for (const field of wireFields(message, budget)) {
    if (field.number === 1) domain = domainOf(textOf(field))
    if (field.number === 2) version = integerOf(field)
  }
  return { domain, version }
}

/** @throws MurmurError ONNX_UNSUPPORTED */
export function checkOpset(version: number, what = 'it'): void {
  if (version >= oldest && version <= newest) return
  throw unsupportedOnnx(
    `${what} is of opset ${version}, and opsets ${oldest} to ${newest} can be imported`,
    'export it with opset_version=18',
  )
}
