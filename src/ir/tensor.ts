/** A tensor of the float64 interpreter: row-major, whatever the dtype of the value it stands for. */
export interface Tensor {
  readonly shape: readonly number[]
  readonly data: Float64Array
}

export function tensor(shape: readonly number[], data?: Float64Array | readonly number[]): Tensor {
  const elements = shape.reduce((product, dim) => product * dim, 1)
  const values = data === undefined ? new Float64Array(elements) : Float64Array.from(data)
  if (values.length !== elements) throw new RangeError(`${values.length} values do not fill [${shape.join(', ')}]`)
  return { shape, data: values }
}

/** Rows (product of all axes but the last) and the last axis. */
export function rowsAndCols(t: Tensor): { rows: number; cols: number } {
  const cols = t.shape.at(-1) ?? 1
  return { rows: cols === 0 ? 0 : t.data.length / cols, cols }
}

/** A new tensor with `f` of every element. */
export function mapTensor(t: Tensor, f: (value: number, index: number) => number): Tensor {
  return { shape: t.shape, data: t.data.map((value, index) => f(value, index)) }
}
