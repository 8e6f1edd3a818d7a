import { judgeKernels } from './judgeKernels.ts'
import { kernelTargets } from './kernelTargets.ts'

for (const target of kernelTargets.filter(({ lanes }) => lanes >= 16)) judgeKernels(target)
