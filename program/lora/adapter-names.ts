/** The names of a weight's two factors. */
interface AdapterNames {
  /** On the side of the inputs. */
  readonly a: string
  readonly b: string
}

/**
 * Of a matrix [inputs, outputs] its own name with an ending. A matrix [outputs, inputs] is a torch.nn.Linear's: its factors
 * are called and laid out as Hugging Face's PEFT does, A [r, inputs] and B [outputs, r]. So the name tells the layout.
 */
export function adapterNames(parameter: string, transposed: boolean): AdapterNames {
  if (!transposed) return { a: `${parameter}.lora_A`, b: `${parameter}.lora_B` }
  const module = parameter.endsWith('.weight') ? parameter.slice(0, -'.weight'.length) : parameter
  return { a: `${module}.lora_A.weight`, b: `${module}.lora_B.weight` }
}
