import { fail } from '../base/errors.ts'
import { isHubName } from '../hub/hubName.ts'
import { defineCommand } from './command.ts'
import { resolveModel } from './resolveModel.ts'

export const pull = defineCommand({
  name: 'pull',
  summary: 'Downloads a model of the hub into the cache that its tools share, and prints its path.',
  model: 'hf://org/repo, hf://org/repo/file.gguf, or org/repo:Q4_K_M; behind repo @revision may stand',
  isModelAsTyped: true,
  options: [],
  explanation:
    'HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE mean what they mean to the tools of the hub. A download\n' +
    'that was cut or stopped goes on where it ended.\n',
  examples: ['ck pull org/repo:Q4_K_M', 'ck run $(ck pull hf://org/repo/file.gguf) -p "Once upon a time"'],
  async run({ model: name, io }) {
    if (!isHubName(name)) fail('hub_name_invalid', { name, what: 'is no name of a model of the hub' })
    io.out(`${await resolveModel(name, io)}\n`)
    return 0
  },
})
