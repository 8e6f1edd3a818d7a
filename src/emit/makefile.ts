import { type BuildPlan, type LinkStep, objectOf, type SourceGroup } from './buildPlan.ts'

/**
 * The Makefile of a run folder: `make` builds what the plan links with $(CC) and the flags of the plan, `make clean`
 * removes what it made. Needs GNU make and a C compiler, nothing else.
 */
export function printMakefile(plan: BuildPlan): string {
  const groups = plan.groups.filter((group) => group.sources.length > 0)
  return [
    `# make builds ${plan.links.map((link) => link.output).join(' and ')} for target ${plan.target}; make clean removes them.`,
    'CC ?= cc',
    `CFLAGS = ${plan.flags.join(' ')}`,
    `LDFLAGS = ${plan.linkFlags.join(' ')}`,
    `LDLIBS = ${plan.libraries.join(' ')}`,
    'ifneq ($(shell uname -s),Darwin)',
    `LDFLAGS += ${plan.elfFlags.join(' ')}`,
    'endif',
    '',
    ...groups.flatMap((group) => [`${variable(group)} = ${list(group.sources.map(objectOf))}`, '']),
    'HEADERS = $(wildcard *.h engine/*.h kernels/*.h)',
    '',
    '.PHONY: all clean',
    '.DELETE_ON_ERROR:',
    '',
    `all: ${plan.links.map((link) => link.output).join(' ')}`,
    '',
    ...groups.flatMap((group) => [...compileRule(group), '']),
    ...plan.links.flatMap((link) => [...linkRule(link), '']),
    'clean:',
    `\trm -f ${[...plan.links.map((link) => link.output), ...groups.map(reference)].join(' ')}`,
    '',
  ].join('\n')
}

function compileRule(group: SourceGroup): readonly string[] {
  const flags = ['$(CFLAGS)', ...group.flags].join(' ')
  return [`${reference(group)}: %.o: %.c $(HEADERS) Makefile`, `\t$(CC) ${flags} -c $< -o $@`]
}

function linkRule(link: LinkStep): readonly string[] {
  const flags = ['$(LDFLAGS)', ...link.flags].join(' ')
  return [`${link.output}: ${list(link.objects)}`, `\t$(CC) ${flags} $^ $(LDLIBS) -o $@`]
}

function variable(group: SourceGroup): string {
  return `${group.name.toUpperCase()}_OBJECTS`
}

function reference(group: SourceGroup): string {
  return `$(${variable(group)})`
}

/** Names over several lines, each at most 120 columns wide. */
function list(names: readonly string[]): string {
  const lines: string[] = []
  for (const name of names) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + name.length < 110) lines[lines.length - 1] = `${last} ${name}`
    else lines.push(name)
  }
  return lines.join(' \\\n    ')
}
