import { judgeKernels } from './judgeKernels.ts'
import { kernelTargets } from './kernelTargets.ts'

for (const target of kernelTargets.filter(({ lanes }) => lanes <= 4)) judgeKernels(target)
