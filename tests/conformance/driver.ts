import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { familyNames } from '../../src/kernels/registry.ts'
import {
  argumentsOf,
  type CallResult,
  checkReadOnly,
  type KernelCall,
  type KernelRunner,
  orderOf,
} from './kernelCall.ts'
import { testedKernels } from './probe.kernel.ts'

const names = testedKernels.map((kernel) => kernel.name)

/** Runs calls in another process (an emulator, a sanitizer build): the driver reads them from a file. */
export function openDriver(command: readonly string[], lanes: number): KernelRunner {
  const [program = '', ...leading] = command
  return {
    lanes,
    run(calls) {
      const dir = mkdtempSync(join(tmpdir(), 'ck-calls-'))
      try {
        const [input, output] = [join(dir, 'calls'), join(dir, 'results')]
        writeFileSync(input, encode(calls, lanes))
        execFileSync(program, [...leading, input, output], { stdio: ['ignore', 'ignore', 'pipe'] })
        return decode(calls, lanes, readFileSync(output))
      } finally {
        rmSync(dir, { recursive: true, force: true })
      }
    },
  }
}

/** Numbers are doubles, which hold every size and attribute; NULL is a buffer of -1 bytes. */
function encode(calls: readonly KernelCall[], lanes: number): Uint8Array {
  const chunks: Uint8Array[] = []
  const put = (...values: number[]) => chunks.push(new Uint8Array(Float64Array.from(values).buffer))
  put(calls.length)
  for (const call of calls) {
    const args = argumentsOf(call, lanes)
    const order = orderOf(call)
    put(names.indexOf(call.kernel.name), call.parts ?? 1, order.length, ...order)
    put(...call.kernel.dims.map((dim) => call.dims[dim]!))
    put(...Object.keys(call.kernel.attributes).map((name) => call.attributes![name]!))
    for (const { name, initial, sameAs } of args) {
      const layout = call.kernel.buffers[name]!.layout ?? 'rows'
      put(
        initial ? initial.length : -1,
        args.findIndex((other) => other.name === sameAs),
      )
      put(layout === 'panels' || layout === 'panelPairs' ? 0 : 4)
      if (initial) chunks.push(initial)
    }
  }
  return Buffer.concat(chunks)
}

function decode(calls: readonly KernelCall[], lanes: number, bytes: Uint8Array): CallResult[] {
  let at = 0
  return calls.map((call) => {
    const buffers: { [name: string]: Uint8Array } = {}
    for (const argument of argumentsOf(call, lanes)) {
      if (!argument.initial) continue
      const after = new Uint8Array(bytes.subarray(at, at + argument.initial.length))
      at += after.length
      checkReadOnly(call, argument, after)
      if (!call.kernel.buffers[argument.name]!.scratch) buffers[argument.name] = after
    }
    return { buffers }
  })
}

/** C source of the driver: one case per kernel, printed from the declarations. */
export function printDriver(): string {
  const cases = testedKernels.map((kernel, index) => {
    const attributes = Object.values(kernel.attributes)
    const values = [
      ...['part', 'parts'],
      ...kernel.dims.map((_, i) => `(int64_t)number[${i}]`),
      ...attributes.map((type, i) => `(${type})number[${kernel.dims.length + i}]`),
      ...Object.keys(kernel.buffers).map((_, i) => `buffer[${i}]`),
    ]
    return `    case ${index}:\n        ck_${kernel.name}(${values.join(', ')});\n        return;`
  })
  const counts = testedKernels.map(
    ({ dims, attributes, buffers }) =>
      `{${dims.length + Object.keys(attributes).length}, ${Object.keys(buffers).length}}`,
  )
  return `#include <stdio.h>
#include <stdlib.h>
#include <string.h>

${[...familyNames, 'probe'].map((family) => `#include "${family}.h"`).join('\n')}

static const int counts[][2] = {${counts.join(', ')}};

static void run(int kernel, int part, int parts, const double *number, void **buffer)
{
    switch (kernel) {
${cases.join('\n')}
    default:
        abort();
    }
}

static FILE *input;

static double next(void)
{
    double value;
    if (fread(&value, sizeof value, 1, input) != 1) {
        abort();
    }
    return value;
}

int main(int count, char **arguments)
{
    if (count != 3) {
        return 2;
    }
    input = fopen(arguments[1], "rb");
    FILE *output = fopen(arguments[2], "wb");
    if (!input || !output) {
        return 2;
    }
    for (int calls = (int)next(); calls > 0; calls--) {
        const int kernel = (int)next(), parts = (int)next(), runs = (int)next();
        int order[64];
        double number[16];
        char *block[16] = {0};
        void *buffer[16];
        size_t bytes[16];
        int same[16], shift[16];
        for (int i = 0; i < runs; i++) {
            order[i] = (int)next();
        }
        for (int i = 0; i < counts[kernel][0]; i++) {
            number[i] = next();
        }
        for (int i = 0; i < counts[kernel][1]; i++) {
            const double size = next();
            void *memory = NULL;
            same[i] = (int)next();
            shift[i] = (int)next();
            bytes[i] = size < 0 ? 0 : (size_t)size;
            if (size >= 0) {
                if (posix_memalign(&memory, 64, bytes[i] + (size_t)shift[i])) {
                    abort();
                }
                block[i] = memory;
                if (bytes[i] && fread(block[i] + shift[i], 1, bytes[i], input) != bytes[i]) {
                    abort();
                }
            }
        }
        for (int i = 0; i < counts[kernel][1]; i++) {
            buffer[i] = block[same[i]] ? block[same[i]] + shift[same[i]] : NULL;
        }
        for (int i = 0; i < runs; i++) {
            run(kernel, order[i], parts, number, buffer);
        }
        for (int i = 0; i < counts[kernel][1]; i++) {
            if (buffer[i] && bytes[i] && fwrite(buffer[i], 1, bytes[i], output) != bytes[i]) {
                abort();
            }
            free(block[i]);
        }
    }
    return fclose(output) != 0;
}
`
}
