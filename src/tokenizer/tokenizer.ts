/** The tokenizer layer's interface to the rest of the project. */
export { compileTokenizer } from './compileTokenizer.ts'
export { type Piece, type PieceType, plainContract, type TokenizerContract } from './contract.ts'
export { readTokenizer } from './readTokenizer.ts'
