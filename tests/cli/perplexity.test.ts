import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ck, data, demo, hasData, openCk, root, stories } from './ck.ts'

const transformers = join(root, '../shared/models/demo-transformers')
const hasTransformers = hasData && existsSync(transformers)
const speech = 'First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n'

let ck: Ck
let file: string
beforeAll(() => {
  ck = openCk()
  file = textFile('speech.txt', speech)
})
afterAll(() => ck.remove())

function textFile(name: string, text: string | Uint8Array): string {
  const path = join(ck.folder, name)
  writeFileSync(path, text)
  return path
}

describe('ck perplexity', () => {
  it('gives the same figures to people and to programs', async () => {
    const { code, stdout } = await ck.here(['perplexity', demo, '--file', file, '--window', '16'])
    expect(code).toBe(0)
    const json = await ck.here(['perplexity', demo, '--file', file, '--window', '16', '--threads', '1', '--json'])
    expect(json.stderr).toBe('')
    const report = JSON.parse(json.stdout)
    const { natsPerToken, perplexity, bitsPerByte, textTokens, scoredTokens, windows } = report
    expect(report).toMatchObject({ window: 16, bytes: speech.length, scoredTokens: textTokens - 1 })
    expect(windows).toBe(Math.ceil(scoredTokens / 16))
    expect(perplexity.mean).toBeCloseTo(Math.exp(natsPerToken.mean), 10)
    expect(bitsPerByte.mean).toBeCloseTo((natsPerToken.mean * scoredTokens) / Math.LN2 / speech.length, 10)
    expect(natsPerToken.standardError).toBeGreaterThan(0)
    expect(stdout).toContain(`${scoredTokens} scored of ${textTokens}, in ${windows} windows of 16\n`)
    for (const { mean } of [natsPerToken, bitsPerByte]) expect(stdout).toContain(` ${mean.toFixed(4)} +- `)
    expect(stdout).not.toContain('KL')
  })

  it('finds no divergence of a model from itself, with every window after BOS and without', async () => {
    const itself = ['perplexity', demo, '--file', file, '--strict', '--kl-base', demo, '--json']
    const { stdout, code } = await ck.here([...itself, '--bos'])
    expect(code).toBe(0)
    const { base, scoredTokens, textTokens } = JSON.parse(stdout)
    expect(scoredTokens).toBe(textTokens)
    expect(base.klDivergence).toEqual({ mean: 0, standardError: 0, median: 0, percentile99: 0 })
    expect(base.topAgreement).toEqual({ mean: 1, standardError: 0 })
    expect(JSON.parse((await ck.here(itself)).stdout)).toMatchObject({ scoredTokens: textTokens - 1, base })
  })

  it('is interrupted by Ctrl-C', async () => {
    const long = textFile('long.txt', speech.repeat(4000))
    const { code, stdout } = await ck(['perplexity', demo, '--file', long], {
      onStderr: (text) => (text.includes('scoring') ? 'SIGINT' : undefined),
    })
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' })
  })

  it('refuses texts that cannot be scored, and windows beyond the context', async () => {
    const refusal = async (...parameters: string[]) => {
      const { code, stdout, stderr } = await ck.here(['perplexity', demo, ...parameters, '--json'])
      expect(stdout).toBe('')
      return [code, stderr]
    }
    const empty = textFile('empty.txt', '')
    const short = textFile('short.txt', 'Speak')
    const binary = textFile('binary.txt', Uint8Array.of(0xff, 0xfe))
    const accepted = 'accepted: a text of at least 3 tokens'
    expect(await refusal('--file', empty)).toEqual([1, `ck: ${empty}: the file is empty; ${accepted}\n`])
    expect(await refusal('--file', short)).toEqual([1, `ck: ${short}: the text is only 2 tokens; ${accepted}\n`])
    expect(await refusal('--file', binary)).toEqual([1, expect.stringContaining('no UTF-8 text')])
    expect(await refusal('--file', file, '--window', '1025')).toEqual([1, expect.stringMatching(/at most 1024 /)])
    expect(await refusal('--file', file, '--window', '0')).toEqual([2, expect.stringContaining('--window')])
    expect(await refusal()).toEqual([2, expect.stringContaining('--file')])
  })
})

describe.skipIf(!hasTransformers)('ck perplexity (needs ../shared/data and ../shared/models)', () => {
  /** The last 5 % of the bytes, on which the demo model was not trained. */
  function heldOut(): string {
    const bytes = readFileSync(join(data, 'tinyshakespeare.txt'))
    return textFile('held-out.txt', bytes.subarray(Math.floor(bytes.length * 0.95)))
  }

  it("gives the demo model's published figures", async () => {
    const { stdout } = await ck.here(['perplexity', transformers, '--file', heldOut(), '--window', '192', '--json'])
    const { natsPerToken, bitsPerByte, ...counts } = JSON.parse(stdout)
    expect(counts).toMatchObject({ windows: 99, textTokens: 18947, scoredTokens: 18946, bytes: 55770 })
    expect([natsPerToken.mean.toFixed(4), bitsPerByte.mean.toFixed(4)]).toEqual(['4.2676', '2.0916'])
  })

  it('finds Q8_0 close to f32', async () => {
    const some = textFile('some.txt', readFileSync(heldOut()).subarray(0, 16000))
    const quantized = join(ck.folder, 'q8_0.gguf')
    expect((await ck(['quantize', transformers, quantized, '--format', 'q8_0'])).code).toBe(0)
    const { stdout } = await ck.here(['perplexity', quantized, '--file', some, '--kl-base', transformers, '--json'])
    const { klDivergence, topAgreement } = JSON.parse(stdout).base
    console.log(`Q8_0 to f32: KL ${klDivergence.mean} nats, agreement ${topAgreement.mean}`)
    expect(klDivergence.mean).toBeGreaterThan(1e-5)
    expect(klDivergence.mean).toBeLessThan(4e-4)
    expect(klDivergence.median).toBeLessThan(klDivergence.mean)
    expect(klDivergence.percentile99).toBeLessThan(2e-3)
    expect(topAgreement.mean).toBeGreaterThan(0.97)
  })

  it('refuses a base of another vocabulary, and models without a tokenizer', async () => {
    const other = await ck.here(['perplexity', demo, '--file', file, '--kl-base', stories])
    expect(other.code).toBe(2)
    expect(other.stderr).toMatch(/--kl-base is '.*stories260K.gguf \(512 tokens; the model has 2048\)'; accepted: /)
    const bare = join(ck.folder, 'bare')
    cpSync(transformers, bare, { recursive: true, filter: (path) => !path.includes('tokenizer') })
    for (const parameters of [
      [bare, '--file', file],
      [demo, '--file', file, '--kl-base', bare],
    ]) {
      const { code, stderr } = await ck.here(['perplexity', ...parameters, '--json'])
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(`${bare}: has no tokenizer`) })
    }
  })

  it('refuses a base that reads the text as other tokens', async () => {
    const folder = join(ck.folder, 'swapped')
    cpSync(transformers, folder, { recursive: true })
    const path = join(folder, 'tokenizer.json')
    const tokenizer = JSON.parse(readFileSync(path, 'utf8'))
    const { vocab } = tokenizer.model
    ;[vocab[','], vocab['.']] = [vocab['.'], vocab[',']]
    // The copy keeps the read-only mode of the original.
    rmSync(path)
    writeFileSync(path, JSON.stringify(tokenizer))
    const { code, stderr } = await ck.here(['perplexity', demo, '--file', file, '--kl-base', folder, '--json'])
    expect(stderr).toMatch(/token \d+ of the text is \d+; the model's is \d+\)/)
    expect(code).toBe(2)
  })
})
