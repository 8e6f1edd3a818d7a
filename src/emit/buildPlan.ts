import { type Isa, isas } from '../kernels/kernel.ts'

/** What a plan must know of a target. */
export interface TargetFlags {
  readonly name: string
  readonly isa: Isa
  /** Of the kernels and of model.c. */
  readonly flags: readonly string[]
  /** Of the engine, which must run on every CPU of the architecture. */
  readonly baseFlags: readonly string[]
}

/** Sources that are compiled with the same flags. */
export interface SourceGroup {
  readonly name: 'engine' | 'kernels' | 'model'
  /** Behind the plan's `flags`. */
  readonly flags: readonly string[]
  /** The header of the compiler's own that takes it longer to read than most of these sources, where one does. */
  readonly slowHeader?: string | undefined
  /** Paths in the run folder, sorted. */
  readonly sources: readonly string[]
}

export interface LinkStep {
  /** File name in the run folder. */
  readonly output: 'libmodel.so' | 'libtrain.so' | 'model'
  readonly flags: readonly string[]
  /** In the order in which they are linked. */
  readonly objects: readonly string[]
}

/** How a run folder is compiled, with its root as the current directory. compileFolder runs it, the Makefile prints it. */
export interface BuildPlan {
  readonly target: string
  /** Of every compilation. */
  readonly flags: readonly string[]
  readonly groups: readonly SourceGroup[]
  /** Of every link. */
  readonly linkFlags: readonly string[]
  /** Of every link where the system's files are ELF. */
  readonly elfFlags: readonly string[]
  /** Behind the objects. */
  readonly libraries: readonly string[]
  readonly links: readonly LinkStep[]
}

/** The sources that are not part of libmodel.so. */
const programSources = /^engine\/main(_\w+)?\.c$/

/** The source that makes a run folder one of training. */
const trainerSource = 'engine/train.c'

const flags = [
  ...['-std=c11', '-O3', '-Wall', '-Wextra', '-Werror'],
  // The bits of a result must not depend on what the optimiser fuses.
  ...['-ffp-contract=off', '-fno-math-errno', '-fPIC', '-pthread'],
]

// Without build id and debug names, equal objects give equal bytes. -Bsymbolic keeps two loaded models apart.
const elfFlags = ['-s', '-Wl,-z,noexecstack', '-Wl,--build-id=none', '-Wl,-Bsymbolic']

/**
 * The plan for a run folder that holds `files` (paths relative to it; only C sources in its root, kernels/ and engine/
 * count).
 */
export function buildPlan(files: readonly string[], target: TargetFlags): BuildPlan {
  const sources = files.filter((file) => file.endsWith('.c')).toSorted()
  const inFolder = (folder: string) => sources.filter((source) => source.startsWith(`${folder}/`))
  const targetFlags = [...target.flags, `-DCK_PANEL_LANES=${isas[target.isa].lanes}`]
  const groups: readonly SourceGroup[] = [
    { name: 'engine', flags: target.baseFlags, sources: inFolder('engine') },
    {
      name: 'kernels',
      flags: targetFlags,
      slowHeader: isas[target.isa].intrinsics,
      sources: inFolder('kernels'),
    },
    {
      name: 'model',
      flags: [...targetFlags, '-Iengine', '-Ikernels'],
      sources: sources.filter((source) => !source.includes('/')),
    },
  ]
  const all = groups.flatMap((group) => group.sources)
  return {
    target: target.name,
    flags,
    groups,
    linkFlags: ['-pthread'],
    elfFlags,
    libraries: ['-lm'],
    links: all.includes(trainerSource)
      ? [{ output: 'libtrain.so', flags: ['-shared'], objects: objectsOf(all) }]
      : [
          {
            output: 'libmodel.so',
            flags: ['-shared'],
            objects: objectsOf(all.filter((name) => !programSources.test(name))),
          },
          { output: 'model', flags: [], objects: objectsOf(all) },
        ],
  }
}

/** One compilation: `<compiler> <flags> -c <source> -o <object>`. */
export interface CompileStep {
  readonly source: string
  readonly object: string
  readonly flags: readonly string[]
  /** See SourceGroup. The object's bits do not depend on whether it was read before. */
  readonly slowHeader?: string | undefined
}

/** The compilations of a plan, one per source. */
export function compileSteps(plan: BuildPlan): readonly CompileStep[] {
  return plan.groups.flatMap((group) =>
    group.sources.map((source) => ({
      source,
      object: objectOf(source),
      flags: [...plan.flags, ...group.flags],
      slowHeader: group.slowHeader,
    })),
  )
}

/** The object file of a source: beside it. */
export function objectOf(source: string): string {
  return source.replace(/\.c$/, '.o')
}

function objectsOf(sources: readonly string[]): readonly string[] {
  return sources.map(objectOf)
}
