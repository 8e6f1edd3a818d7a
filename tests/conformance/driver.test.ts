import { describe, expect, it } from 'vitest'
import { openDriver } from './driver.ts'
import { probeExp } from './probe.kernel.ts'

const calls = [{ kernel: probeExp, dims: { count: 1 }, buffers: { x: new Uint8Array(4) } }]

describe('a driver of kernels', () => {
  it.each([
    ['before it is asked', 'echo out of order >&2'],
    ['when it is asked', 'head -c 1 > /dev/null; echo out of order >&2; exit 1'],
  ])('that dies %s is quoted, and started again', async (_when, script) => {
    const runner = openDriver(['sh', '-c', script, 'driver'], 4)
    for (let round = 0; round < 2; round++) expect(() => runner.run(calls)).toThrow(/out of order/)
    await runner.close()
  })

  it('that complains at its end is quoted', async () => {
    const script = 'head -c 5 /dev/zero > "$2"; head -c 1; cat > /dev/null; echo 8 bytes leaked >&2; exit 1'
    const runner = openDriver(['sh', '-c', script, 'driver'], 4)
    expect(runner.run(calls)[0]!.buffers.y).toEqual(new Uint8Array(4))
    await expect(runner.close()).rejects.toThrow('8 bytes leaked')
  })

  it('that does not exist is an error', async () => {
    const runner = openDriver(['no-program-of-this-name'], 4)
    expect(() => runner.run(calls)).toThrow('died')
    await runner.close()
  })
})
