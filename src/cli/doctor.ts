import type { Diagnosis, Measurements, Rates } from '../build/doctor.ts'
import { defineCommand } from './command.ts'
import { formatBytes } from './formatBytes.ts'
import { printTable } from './printTable.ts'

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'Describes this machine: compiler, CPU, caches, measured memory bandwidth and peak arithmetic.',
  model: null,
  options: ['json'],
  examples: ['ck doctor', 'ck doctor --json'],
  async run({ options, io }) {
    const { diagnose } = await import('../build/doctor.ts')
    const { targets } = await import('../build/targets.ts')
    const diagnosis = await diagnose({ signal: io.signal })
    const names = ['native', ...targets.map(({ name }) => name)]
    io.out(options.json ? `${JSON.stringify({ ...diagnosis, targets: names }, null, 1)}\n` : print(diagnosis, names))
    return diagnosis.compiler.status === 'works' ? 0 : 1
  },
})

function print({ system, machine, target, compiler, measured }: Diagnosis, targets: readonly string[]): string {
  const caches = machine.caches.map(({ level, kind, bytes, sharedBy }) => {
    const shared = sharedBy && sharedBy > 1 ? `, shared by ${sharedBy}` : ''
    return `L${level} ${kind} ${formatBytes(bytes)}${shared}`
  })
  const rows = [
    ['system', `${system.platform}, Node ${system.node}`],
    ['CPU', `${machine.model} (${machine.arch}), ${machine.cores} cores for this process`],
    ['caches', caches.join('; ') || 'unknown'],
    ['memory', `${formatBytes(machine.memoryBytes)}, ${formatBytes(machine.availableBytes)} free`],
    ['native target', `${target.name} (${target.isa})`],
    ['targets', targets.join(', ')],
    ['compiler', compiler.status === 'works' ? `${compiler.command}: ${compiler.version}` : compiler.message],
    ...(measured.status === 'done' ? printMeasurements(measured) : [['measured', measured.reason]]),
  ]
  return printTable(rows)
}

function printMeasurements({ readBytesPerSecond, f32PerSecond, int8PerSecond }: Measurements): string[][] {
  const giga = (rate: number) => (rate / 1e9).toFixed(1)
  const rates = ({ one, all }: Rates, unit: string) =>
    `${giga(one.best)} ${unit} with one thread at best, ${giga(all.best)} with all; in the mean ${giga(one.mean)} and ${giga(all.mean)}`
  return [
    ['read bandwidth', rates(readBytesPerSecond, 'GB/s')],
    ['peak f32', rates(f32PerSecond, 'Gop/s')],
    ['peak int8', rates(int8PerSecond, 'Gop/s')],
  ]
}
