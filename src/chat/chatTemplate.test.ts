import { describe, expect, it } from 'vitest'
import { compileChatTemplate, type RenderInput } from './chatTemplate.ts'

const render = (source: string, input: Partial<RenderInput> = {}) =>
  compileChatTemplate(source, 'test').render({ messages: [], ...input })

describe('a template', () => {
  // What Jinja2 3.1 prints, in the environment of transformers.
  const printed: readonly [source: string, text: string][] = [
    [
      "{{ none }}{{ true }}{{ 1.0 }}{{ [1, 'a\\n', none] }}{{ {'k': \"it's\"} }}",
      "NoneTrue1.0[1, 'a\\n', None]{'k': \"it's\"}",
    ],
    ["{{ '  a\\n'.lstrip('\\n') }}|{{ 'xxaxx'.strip('x') }}|{{ ' b '|trim }}|", '  a\n|a|b|'],
    ['{% for i in [1, 2] %}{% if loop.first %}{% set a = 1 %}{% endif %}{{ a is defined }}{% endfor %}', 'TrueFalse'],
    ['{% for c in "héy" %}{{ c }}.{% endfor %}{% for x in gone %}x{% else %}none{% endfor %}', 'h.é.y.none'],
    ['{% for i in range(9) %}{{ i }}{% if i == 2 %}!{% break %}{% endif %}{% endfor %}', '012!'],
    ['{% for i in range(4) %}a{% if i % 2 %}{% continue %}{% endif %}b{% endfor %}', 'abaaba'],
    ["{{ 'x' ~ none ~ 1 ~ true }}", 'xNone1True'],
    ["{{ {'a': [1]} == {'a': [1]} }}{{ none == gone }}{{ 1 == '1' }}{{ 'é😀'|length }}", 'TrueFalseFalse2'],
    ["{{ ['a', 'b']|reject('equalto', 'a')|list }}{{ ['a']|map('upper')|join }}", "['b']A"],
    ['a\r\n{% if true %}\r\n  b\r\n  {% endif %}\r\nc\r\n', 'a\n  b\nc'],
    [
      "{{ 'a.b.c'.rsplit('.', 1) }}{{ 'abc'.removeprefix('a') }}{{ {'a': 1}.items()|list }}",
      "['a.b', 'c']bc[['a', 1]]",
    ],
  ]
  for (const [source, text] of printed) it(`prints ${source}`, () => expect(render(source)).toBe(text))

  it('knows the day in English, whatever the language of the machine', () => {
    const now = new Date(2026, 2, 7, 15, 4, 5)
    expect(render("{{ strftime_now('%A, %d %B %Y (%b %d) %H:%M %q %%') }}", { now })).toBe(
      'Saturday, 07 March 2026 (Mar 07) 15:04 %q %',
    )
  })

  it('refuses with its own sentence', () => {
    expect(() => render("{{ raise_exception('No system, please') }}")).toThrow(
      'test: the chat template does not render this conversation: No system, please',
    )
  })

  const invalid = ['{% if %}', '{{ a', '{% for x in y %}', '{% frobnicate %}', '{{ "a }}', '{{ a b }}', '{% endif %}']
  for (const source of invalid) {
    it(`refuses ${source} in one sentence`, () => {
      expect(() => compileChatTemplate(source, 'test')).toThrow(/^test: the chat template is no Jinja: [^\n]+$/)
    })
  }

  const endless: readonly [what: string, source: string, says: RegExp][] = [
    ['loops for ever', '{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}', /steps|ms/],
    ['calls itself', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', /./],
    [
      'doubles a text',
      "{% set n = namespace(t='xxxx') %}{% for i in range(90) %}{% set n.t = n.t + n.t %}{% endfor %}",
      /text of more/,
    ],
    [
      'doubles a list',
      '{% set n = namespace(t=[1]) %}{% for i in range(90) %}{% set n.t = n.t + n.t %}{% endfor %}',
      /list of more/,
    ],
    ['walks a large range', '{% for a in range(10**9) %}{% endfor %}', /range of more/],
    ['replaces without end', "{% set a = 'x'|string %}{{ (range(9000)|join).replace('', range(9000)|join) }}", /./],
  ]
  for (const [what, source, says] of endless) {
    it(`that ${what} is refused in one sentence`, () => {
      const template = compileChatTemplate(source, 'test')
      expect(() => template.render({ messages: [] })).toThrow(says)
    })
  }

  it('that is too long is refused', () => {
    expect(() => compileChatTemplate('x'.repeat(128 * 1024 + 1), 'test')).toThrow(
      /131073 characters; accepted: at most/,
    )
  })
})
