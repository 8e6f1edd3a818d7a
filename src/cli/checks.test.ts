import { describe, expect, it } from 'vitest'
import { CkError } from '../base/errors.ts'
import { type Check, choice, decimal, idList, numberList, seed, someText, tensorRule, wholeNumber } from './checks.ts'

/** The value, or the refusal's sentence. */
function outcome<T>(check: Check<T>, text: string): T | string {
  try {
    return check(text, '--option')
  } catch (error) {
    if (error instanceof CkError && error.code === 'option_invalid') return error.message
    throw error
  }
}

describe('a check', () => {
  it('takes whole numbers in digits only, within their bounds', () => {
    const check = wholeNumber(1, 64)
    expect(['1', '64', '007'].map((text) => outcome(check, text))).toEqual([1, 64, 7])
    for (const text of ['', '0', '65', '-1', '1.5', '1e1', '0x10', ' 1', 'NaN', '99999999999999999999']) {
      expect(outcome(check, text)).toBe(`--option is '${text}'; accepted: a whole number from 1 to 64`)
    }
    expect(outcome(wholeNumber(1), '0')).toBe("--option is '0'; accepted: a whole number of at least 1")
  })

  it('takes a pattern and a type, in any case', () => {
    expect(outcome(tensorRule, 'blk.*.ffn_down=Q6_K')).toEqual({ pattern: 'blk.*.ffn_down', dtype: 'q6_K' })
    expect(outcome(tensorRule, 'a=b=f16')).toEqual({ pattern: 'a=b', dtype: 'f16' })
    for (const text of ['', '=f16', 'a', 'a=', 'a=a8', 'a=q4_k_m']) {
      expect(outcome(tensorRule, text)).toMatch(
        `--option is '${text}'; accepted: PATTERN=TYPE with one of the types f32, `,
      )
    }
  })

  it('takes decimal numbers within their bounds', () => {
    const check = decimal(0, 1)
    expect(['0', '.5', '1.', '1e-3', '+0.25'].map((text) => outcome(check, text))).toEqual([0, 0.5, 1, 0.001, 0.25])
    for (const text of ['', '.', 'e1', '1.1', '-0.1', 'Infinity', 'nan', '0x1', '1 ']) {
      expect(outcome(check, text)).toBe(`--option is '${text}'; accepted: a number from 0 to 1`)
    }
    expect(outcome(decimal(0), '1e999')).toBe("--option is '1e999'; accepted: a number of at least 0")
  })

  it('takes seeds of 64 bits', () => {
    expect(outcome(seed, '18446744073709551615')).toBe(2n ** 64n - 1n)
    expect(outcome(seed, '18446744073709551616')).toMatch(/accepted: a whole number from 0 to 2\^64 - 1$/)
    expect(outcome(seed, '-1')).toMatch(/accepted/)
  })

  it('takes words, texts and lists of ids', () => {
    expect(outcome(choice('a', 'b'), 'b')).toBe('b')
    expect(outcome(choice('a', 'b'), 'c')).toBe("--option is 'c'; accepted: a, b")
    expect(outcome(someText, '')).toBe("--option is ''; accepted: text that is not empty")
    expect(outcome(idList, '1, 2,3')).toEqual([1, 2, 3])
    for (const text of ['', '1,', '1 2', 'a', '-1', '1.0']) {
      expect(outcome(idList, text)).toBe(`--option is '${text}'; accepted: whole numbers with commas between them`)
    }
  })

  it('takes lists of different whole numbers within their bounds', () => {
    expect(outcome(numberList(0), '0, 4096,16')).toEqual([0, 4096, 16])
    expect(outcome(numberList(1, 64), '1,65')).toBe("--option is '65'; accepted: a whole number from 1 to 64")
    expect(outcome(numberList(0), '1,')).toBe("--option is ''; accepted: a whole number of at least 0")
    expect(outcome(numberList(0), '1,01')).toBe("--option is '1,01'; accepted: each number once")
  })

  it('shows only the begin of a long text', () => {
    expect(outcome(idList, 'x'.repeat(1000))).toMatch(/^--option is 'x{60}\.\.\.'; /)
  })
})
