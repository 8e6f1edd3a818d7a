import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ck, demo, openCk, root, runProgram } from './ck.ts'

let ck: Ck
beforeAll(() => {
  ck = openCk()
  writeFileSync(join(ck.folder, 'a.txt'), 'Once upon a time there was a compiler. '.repeat(200))
  writeFileSync(join(ck.folder, 'chatml.jinja'), chatml)
  const lines = Array.from({ length: 20 }, (_, i) =>
    JSON.stringify({ messages: [...say('user', `What is ${i} + 1?`), ...say('assistant', `It is ${i + 1}.`)] }),
  )
  writeFileSync(join(ck.folder, 'a.jsonl'), `${lines.join('\n')}\n${lines[3]}\n`)
})
afterAll(() => ck.remove())

const say = (role: string, content: string) => [{ role, content }]
const chatml =
  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

const at = (name: string) => join(ck.folder, name)

describe('ck data', () => {
  it('prepares a text, and shows a batch of it', async () => {
    const made = await ck(['data', 'prepare', at('a.txt'), '--tokenizer', demo, '-o', at('text')])
    expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: 'ck: preparing\n' })
    expect(made.stdout).toMatch(
      /\ntrain +1 +\d+ +\d+ +7410\nvalidation +1 +\d+ +\d+ +390\nvocabulary 2048\nnothing had to be cleaned\n$/,
    )
    const [shown, later] = await Promise.all([
      ck(['data', 'inspect', at('text'), '--rows', '1', '--row-tokens', '20']),
      ck(['data', 'inspect', at('text'), '--rows', '1', '--row-tokens', '20', '--batch', '1000', '--json']),
    ])
    expect(shown.stderr).toBe('')
    expect(shown.stdout.startsWith(made.stdout)).toBe(true)
    expect(shown.stdout).toMatch(
      /\nbatch 0 of epoch 0: 20 of 20 tokens have a target\nrow 0: [^[]+\[\[.*(compiler|upon).*\]\]\n$/,
    )
    const report = JSON.parse(later.stdout)
    expect(report.train).toEqual(JSON.parse(readFileSync(join(at('text'), 'data.json'), 'utf8')).train)
    expect(report.batch).toMatchObject({ step: 1000, targets: 20 })
    expect(report.batch.epoch).toBeGreaterThan(0)
    expect(report.lengths.validation).toHaveLength(1)
  })

  it('prepares conversations and marks what is learnt of them', async () => {
    const options = ['--template', at('chatml.jinja'), '--split', 'documents', '--validation', '0.2', '--json']
    const made = await ck(['data', 'prepare', at('a.jsonl'), '--tokenizer', demo, '-o', at('chats'), ...options])
    expect(made.stderr).toBe('')
    const { train, validation, findings } = JSON.parse(made.stdout)
    expect(train.documents + validation.documents).toBe(20)
    expect(findings.duplicates).toEqual({ count: 1, documents: 1, first: ['a.jsonl:21'] })
    const { stdout } = await ck(['data', 'inspect', at('chats'), '--rows', '1', '--row-tokens', '300'])
    expect(stdout).toMatch(
      /\|<\|im_start\|>user\\nWhat is (\d+) \+ 1\?<\|im_end\|>\\n<\|im_start\|>assistant\\n\[\[It is \d+\.<\|im_end\|>\]\]\\n\|/,
    )
  })

  it('refuses in a sentence what it cannot prepare or show', async () => {
    writeFileSync(at('bad.jsonl'), '{"text": "fine"}\n{"text": \n')
    const [line, bare, folder, usage, small] = await Promise.all([
      ck(['data', 'prepare', at('bad.jsonl'), '--tokenizer', demo, '-o', at('none')]),
      ck(['data', 'prepare', at('a.txt'), '-o', at('none')]),
      ck(['data', 'inspect', root]),
      ck(['data', 'prepare', at('a.txt'), '--tokenizer', demo, '-o', at('none'), '--separator', '\\q']),
      ck(['data', 'inspect', at('text'), '--rows', '1000', '--row-tokens', '1000']),
    ])
    expect(line.stderr).toMatch(/^ck: preparing\nck: .*bad\.jsonl:2: the line is not JSON \(.*\); accepted: JSON\n$/)
    expect(bare.stderr).toMatch(/^ck: .*a\.txt: has no tokenizer, .*\n$/)
    expect(folder.stderr).toMatch(/^ck: .*data\.json: cannot be opened \(ENOENT\); .*\n$/)
    expect(small.stderr).toMatch(/^ck: .*: train has \d+ tokens, fewer than a batch of 1000 rows of 1000; .*\n$/)
    expect([line, bare, folder, small].map(({ code }) => code)).toEqual([1, 1, 1, 1])
    expect(usage.stderr).toMatch(/^ck: --separator is '\\q'; accepted: .*\n$/)
    expect(usage.code).toBe(2)
    expect(existsSync(at('none'))).toBe(false)
  })

  it('finds damage in what was written', async () => {
    const made = await ck(['data', 'prepare', at('a.txt'), '--tokenizer', demo, '-o', at('damaged'), '--json'])
    expect(made.code).toBe(0)
    const path = join(at('damaged'), 'train.bin')
    const bytes = readFileSync(path)
    bytes[100]! ^= 1
    writeFileSync(path, bytes)
    const { code, stderr } = await ck(['data', 'inspect', at('damaged')])
    expect(stderr).toMatch(/^ck: .*train\.bin: its content is not what was written; accepted: an undamaged file\n$/)
    expect(code).toBe(1)
  })

  it('leaves the earlier data set where the disk is full', async () => {
    const prepare = ['data', 'prepare', at('a.txt'), '--tokenizer', demo, '-o', at('full')]
    expect((await ck(prepare)).code).toBe(0)
    const before = readFileSync(join(at('full'), 'data.json'), 'utf8')
    writeFileSync(at('large.txt'), Array.from({ length: 60_000 }, (_, i) => String(i)).join(' '))
    // The system refuses to write files beyond 100 KiB, as it refuses on a full disk.
    const shell = `trap '' XFSZ; ulimit -f 100; exec "$0" "$@"`
    const words = prepare.with(2, at('large.txt'))
    const { code, stderr } = await runProgram('bash', ['-c', shell, process.execPath, 'dist/ck/main.js', ...words], {
      env: { CK_CACHE: ck.cache },
    })
    expect(stderr).toMatch(/\nck: .*cannot be written \(EFBIG\); nothing was left behind\n$/)
    expect(code).toBe(1)
    expect(readFileSync(join(at('full'), 'data.json'), 'utf8')).toBe(before)
    expect(readdirSync(ck.folder).filter((name) => name.includes('partial'))).toEqual([])
  })
})
