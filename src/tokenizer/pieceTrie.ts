/**
 * A double-array trie (Aoe 1989) over byte strings: three u32 per node, `base`, `check`, `id` (0xffffffff: none). From node
 * n the byte b leads to base[n] + b where check of that is n. The root is node 0; 256 places from any base are there.
 */
export function pieceTrie(keys: readonly { readonly bytes: Uint8Array; readonly id: number }[]): Uint32Array {
  const sorted = [...keys].sort((a, b) => Buffer.compare(a.bytes, b.bytes))
  const places = placesOf()
  // Nodes still to be laid out: the keys from `first` to before `end` share their first `depth` bytes.
  const queue = [{ node: 0, first: 0, end: sorted.length, depth: 0 }]
  for (let at = 0; at < queue.length; at++) {
    const { node, end, depth } = queue[at]!
    let { first } = queue[at]!
    if (sorted[first]?.bytes.length === depth) places.setId(node, sorted[first++]!.id)
    const labels: number[] = []
    const ends: number[] = []
    for (let i = first; i < end; i++) {
      const byte = sorted[i]!.bytes[depth]!
      if (labels.at(-1) !== byte) labels.push(byte)
      ends[labels.length - 1] = i + 1
    }
    if (labels.length === 0) continue
    const base = places.lay(node, labels)
    labels.forEach((label, i) => {
      queue.push({ node: base + label, first: i === 0 ? first : ends[i - 1]!, end: ends[i]!, depth: depth + 1 })
    })
  }
  return places.nodes()
}

const none = 0xffffffff

/** The growing arrays, and which places in them are free. */
function placesOf() {
  let room = 1 << 16
  let nodes = new Uint32Array(3 * room).fill(none)
  let used = 1
  let lowest = 1
  nodes[0] = 0
  const grow = (places: number) => {
    if (places <= room) return
    while (room < places) room *= 2
    const larger = new Uint32Array(3 * room).fill(none)
    larger.set(nodes)
    nodes = larger
  }
  const isFree = (place: number) => nodes[3 * place + 1] === none
  return {
    setId: (node: number, id: number) => {
      nodes[3 * node + 2] = id
    },
    /** Finds a base whose places for all labels are free, takes them for `node`, and returns it. */
    lay(node: number, labels: readonly number[]): number {
      grow(used + 512)
      while (!isFree(lowest)) lowest++
      let place = Math.max(lowest, labels[0]! + 1)
      let tries = 0
      for (; ; place++) {
        grow(place + 512)
        if (!isFree(place)) continue
        const base = place - labels[0]!
        if (labels.every((label) => isFree(base + label))) break
        // Crowded stretches are given up: a little room is lost, and the search stays linear.
        if (++tries > 64) {
          lowest = Math.max(lowest, place - 32)
          tries = 0
        }
      }
      const base = place - labels[0]!
      nodes[3 * node] = base
      for (const label of labels) {
        nodes[3 * (base + label)] = 0
        nodes[3 * (base + label) + 1] = node
      }
      used = Math.max(used, base + labels.at(-1)! + 1)
      return base
    },
    nodes(): Uint32Array {
      grow(used + 256)
      for (let place = 1; place < used + 256; place++) if (isFree(place)) nodes[3 * place] = 0
      return nodes.slice(0, 3 * (used + 256))
    },
  }
}
