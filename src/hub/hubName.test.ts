import { expect, it } from 'vitest'
import { isHubName, parseHubName } from './hubName.ts'

it.each([
  ['org/repo:Q4_K_M', { repo: 'org/repo', revision: 'main', quantisation: 'Q4_K_M' }],
  ['hf://org/repo:UD-Q4_K_XL', { repo: 'org/repo', revision: 'main', quantisation: 'UD-Q4_K_XL' }],
  ['org/repo@v1.5:Q8_0', { repo: 'org/repo', revision: 'v1.5', quantisation: 'Q8_0' }],
  ['hf://a.b-c/d_e.F', { repo: 'a.b-c/d_e.F', revision: 'main' }],
  ['hf://org/repo@refs/pr/1:Q8_0', { repo: 'org/repo', revision: 'refs/pr/1', quantisation: 'Q8_0' }],
  ['hf://org/repo@abc/x/y z.gguf', { repo: 'org/repo', revision: 'abc', file: 'x/y z.gguf' }],
])('%s is read', (text, expected) => {
  expect(isHubName(text)).toBe(true)
  expect(parseHubName(text)).toEqual({ text, ...expected })
})

it.each(['model.gguf', './org/repo', '/org/repo:Q8_0', 'a/b/c:Q8_0', 'org/repo', 'package.json', 'C:\\x\\y', ''])(
  '%s is a path',
  (text) => expect(isHubName(text)).toBe(false),
)
