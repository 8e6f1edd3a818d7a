import { expect, it } from 'vitest'
import { buildPlan, compileSteps } from './buildPlan.ts'
import { printMakefile } from './makefile.ts'

const target = {
  name: 'x86-64-v3',
  isa: 'avx2',
  flags: ['-march=x86-64', '-mavx2'],
  baseFlags: ['-march=x86-64'],
} as const
const files = ['model.h', 'model.c', 'kernels/rope.c', 'kernels/linear.c', 'engine/open.c', 'engine/main.c', 'Makefile']

it('prints a Makefile that a person can read', () => {
  expect(printMakefile(buildPlan(files, target))).toBe(`\
# make builds libmodel.so and model for target x86-64-v3; make clean removes them.
CC ?= cc
CFLAGS = -std=c11 -O3 -Wall -Wextra -Werror -ffp-contract=off -fno-math-errno -fPIC -pthread
LDFLAGS = -pthread
LDLIBS = -lm
ifneq ($(shell uname -s),Darwin)
LDFLAGS += -s -Wl,-z,noexecstack -Wl,--build-id=none -Wl,-Bsymbolic
endif

ENGINE_OBJECTS = engine/main.o engine/open.o

KERNELS_OBJECTS = kernels/linear.o kernels/rope.o

MODEL_OBJECTS = model.o

HEADERS = $(wildcard *.h engine/*.h kernels/*.h)

.PHONY: all clean
.DELETE_ON_ERROR:

all: libmodel.so model

$(ENGINE_OBJECTS): %.o: %.c $(HEADERS) Makefile
	$(CC) $(CFLAGS) -march=x86-64 -c $< -o $@

$(KERNELS_OBJECTS): %.o: %.c $(HEADERS) Makefile
	$(CC) $(CFLAGS) -march=x86-64 -mavx2 -DCK_PANEL_LANES=8 -c $< -o $@

$(MODEL_OBJECTS): %.o: %.c $(HEADERS) Makefile
	$(CC) $(CFLAGS) -march=x86-64 -mavx2 -DCK_PANEL_LANES=8 -Iengine -Ikernels -c $< -o $@

libmodel.so: engine/open.o kernels/linear.o kernels/rope.o model.o
	$(CC) $(LDFLAGS) -shared $^ $(LDLIBS) -o $@

model: engine/main.o engine/open.o kernels/linear.o kernels/rope.o model.o
	$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@

clean:
	rm -f libmodel.so model $(ENGINE_OBJECTS) $(KERNELS_OBJECTS) $(MODEL_OBJECTS)
`)
})

it('breaks long lists of objects over several lines', () => {
  const many = Array.from({ length: 40 }, (_, i) => `kernels/family${i}.c`)
  const lines = printMakefile(buildPlan([...files, ...many], target)).split('\n')
  const lists = lines.filter((line) => line.includes('kernels/family'))
  expect(lists.length).toBeGreaterThan(6)
  for (const line of lists) expect(line.length).toBeLessThanOrEqual(132)
})

it('does not depend on the order in which the files are given', () => {
  expect(buildPlan(files.toReversed(), target)).toEqual(buildPlan(files, target))
})

it('plans one compilation for each C file, the engine with flags that every CPU can run', () => {
  const steps = compileSteps(buildPlan(files, target))
  expect(steps.map(({ source, object }) => `${source} ${object}`)).toEqual([
    'engine/main.c engine/main.o',
    'engine/open.c engine/open.o',
    'kernels/linear.c kernels/linear.o',
    'kernels/rope.c kernels/rope.o',
    'model.c model.o',
  ])
  for (const { source, flags } of steps) expect(flags.includes('-mavx2')).toBe(!source.startsWith('engine/'))
})
