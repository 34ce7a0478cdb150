import { CID } from 'multiformats/cid'
import { z } from 'zod'
import { parseCid } from './content-id.ts'
import type { CidText, RunId } from './ids.ts'

/** An IPLD link of a dag-cbor block ↔ its CID text, as a zod codec. Only the CIDs of this protocol's own blocks pass. */
export const contentLink = <Name extends CidText | RunId = CidText>() =>
  z.codec(z.instanceof(CID), z.custom<Name>(), {
    decode: (value, context) => {
      try {
        return parseCid(value.toString()) as string as Name
      } catch {
        context.issues.push({
          code: 'custom',
          message: 'not the CID of a block of this protocol',
          input: value,
        })
        return z.NEVER
      }
    },
    encode: (value) => CID.parse(value),
  })
