import type { OnnxModel } from '../onnx/model-proto.ts'
import { attentionGradient } from './attention-gradient.ts'
import { scaleIntoProduct } from './scale-into-product.ts'
import { turnedProduct } from './turned-product.ts'

/**
 * What is done to a program after it was differentiated, so that models and gradients stay as one would write them: the
 * same values in fewer passes over memory. Pure; equal models give equal models.
 */
export const fuse = (model: OnnxModel): OnnxModel => scaleIntoProduct(turnedProduct(attentionGradient(model)))
