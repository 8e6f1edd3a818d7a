import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command as Commander, Option } from 'commander'
import { packageRoot } from '../base/packageRoot.ts'
import type { Command, Io } from './command.ts'
import { commands } from './commands.ts'
import { longName, type OptionName, type OptionRow, type OptionValues, options } from './options.ts'
import { resolveModel } from './resolveModel.ts'

/** The package's version. */
export function packageVersion(): string {
  const text = readFileSync(join(packageRoot, 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** What a command gets; `isJson`: a program reads what it writes. */
type IoFor = (isJson: boolean) => Io

/** The command line of `ck` over the command table. `finish` is told the exit code of the command that ran. */
export function createProgram(ioFor: IoFor, finish: (code: number) => void): Commander {
  const program = new Commander('ck')
    .description('Compiles a transformer model to C for exactly this model and CPU, and runs it.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', `\nExample:\n  ck run model.gguf -p "Once upon a time"\n\n${exitCodes}`)
    .exitOverride()
    .configureOutput({ writeOut: ioFor(false).out, writeErr: () => {}, outputError: () => {} })
  for (const command of commands) addCommand(program, command, ioFor, finish)
  return program
}

const exitCodes = 'Exit codes: 0 fine, 1 failed, 2 wrong usage, 130 interrupted.\n'

function addCommand(program: Commander, command: Command, ioFor: IoFor, finish: (code: number) => void): void {
  const words = command.name.split(' ')
  const group = words.length > 1 ? groupOf(program, words[0]!) : program
  const examples = command.examples.map((line) => `\n  ${line}`).join('')
  const added = group
    .command(words.at(-1)!)
    .description(command.summary)
    .addHelpText('after', command.explanation ? `\n${command.explanation}` : '')
    .addHelpText('after', `\nExample${command.examples.length > 1 ? 's' : ''}:${examples}`)
  if (command.model !== null) added.argument('<model>', command.model)
  if (command.files !== undefined) added.argument('<files...>', command.files)
  if (command.output !== undefined) added.argument('<output>', command.output)
  for (const name of command.options) {
    added.addOption(commanderOption(name).makeOptionMandatory(command.required?.includes(name) ?? false))
  }
  added.action(async (...values: readonly unknown[]) => {
    // Commander passes the arguments, then the options, then itself.
    const typed = command.model === null ? '' : String(values[0])
    const given = added.opts() as OptionValues
    const output = command.output === undefined ? '' : String(values[1])
    const files = command.files === undefined ? [] : (values[0] as readonly string[])
    const io = ioFor(given.json === true)
    const model = command.isModelAsTyped || typed === '' ? typed : await resolveModel(typed, io)
    finish(await command.run({ model, output, files, options: given, io }))
  })
}

/** What each first word of several commands is about. */
const groupSummaries: { readonly [word: string]: string } = {
  data: 'Makes data sets for training, and looks into them.',
  tokenizer: 'Trains tokenizers.',
}

/** The command that holds those which share their first word. */
function groupOf(program: Commander, word: string): Commander {
  const found = program.commands.find((command) => command.name() === word)
  return found ?? program.command(word).description(groupSummaries[word] ?? '')
}

function commanderOption(name: OptionName): Option {
  const row: OptionRow = options[name]
  const letter = row.letter ? `-${row.letter}, ` : ''
  const value = row.value ? ` <${row.value}>` : ''
  const option = new Option(`${letter}${longName(name)}${value}`, row.help)
  option.attributeName = () => name
  const { check } = row
  if (!check) return option
  return option.argParser((text: string, earlier: unknown) => {
    const checked = check(text, longName(name))
    return row.repeats ? [...((earlier as unknown[] | undefined) ?? []), checked] : checked
  })
}
