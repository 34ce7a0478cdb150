import protobuf from 'protobufjs'

/**
 * Fields in a whole message. A two-byte empty field decodes to an object a hundred times its size, so the bound on
 * bytes alone does not bound memory. A four-layer GPT's program has about 10,000.
 */
const maxFields = 400_000

/**
 * Walks the wire form of a message without building anything. Throws when it has too many fields, fields that the
 * schema does not know, or groups.
 */
export function checkFieldBudget(bytes: Uint8Array, type: protobuf.Type): void {
  let fields = 0
  const walk = (message: protobuf.Type, reader: protobuf.Reader, end: number): void => {
    while (reader.pos < end) {
      if (++fields > maxFields) throw new Error(`it has more than ${maxFields} fields`)
      const tag = reader.uint32()
      const field = message.fieldsById[tag >>> 3]
      if (field === undefined) throw new Error(`${message.name} has an unknown field ${tag >>> 3}`)
      field.resolve()
      switch (tag & 7) {
        case 0:
        case 1:
        case 5:
          reader.skipType(tag & 7)
          break
        case 2: {
          const length = reader.uint32()
          if (length > end - reader.pos) throw new Error(`${message.name}.${field.name} runs past its end`)
          if (field.resolvedType instanceof protobuf.Type)
            walk(field.resolvedType, reader, reader.pos + length)
          else reader.skip(length)
          break
        }
        default:
          throw new Error(`${message.name}.${field.name} has wire type ${tag & 7}`)
      }
    }
    if (reader.pos !== end) throw new Error(`${message.name} runs past its end`)
  }
  walk(type, protobuf.Reader.create(bytes), bytes.length)
}
