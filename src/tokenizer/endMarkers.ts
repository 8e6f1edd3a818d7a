/** Texts of control tokens that end a turn or a text in published models, beside EOS. */
export const endMarkers: ReadonlySet<string> = new Set([
  '<|im_end|>',
  '<|eot_id|>',
  '<|eom_id|>',
  '<|end|>',
  '<|return|>',
  '<|endoftext|>',
  '<|end_of_text|>',
  '<|EOT|>',
  '<end_of_turn>',
  '<｜end▁of▁sentence｜>',
])
