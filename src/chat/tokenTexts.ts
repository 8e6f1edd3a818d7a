import type { TokenizerContract } from '../tokenizer/contract.ts'
import type { TokenTexts } from './compileContract.ts'

/** The texts that templates write for the tokens which begin and end texts. */
export function tokenTexts({ pieces, bos, eos }: TokenizerContract): TokenTexts {
  const textOf = (id: number) => {
    const piece = pieces[id]
    return piece && Buffer.from(piece.bytes).toString('utf8')
  }
  const [bosToken, eosToken] = [textOf(bos), textOf(eos)]
  return { ...(bosToken === undefined ? {} : { bosToken }), ...(eosToken === undefined ? {} : { eosToken }) }
}
