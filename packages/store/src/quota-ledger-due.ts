/** What happens by itself, and when: the first that is due comes out first. */

export interface DueQueue {
  /** Also moves it. */
  set(id: string, dueMs: number): void
  delete(id: string): void
  /** Takes out those that are due, `limit` at most: the earliest first, of one time in the order of their ids. */
  take(nowMs: number, limit: number): string[]
}

interface Entry {
  readonly id: string
  readonly dueMs: number
}

/** A heap. Entries that were moved or deleted stay in it until they come up, or until they are the greater part. */
export function dueQueue(): DueQueue {
  const times = new Map<string, number>()
  let heap: Entry[] = []

  function push(entry: Entry): void {
    let index = heap.push(entry) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(entry, heap[parent] as Entry)) break
      heap[index] = heap[parent] as Entry
      index = parent
    }
    heap[index] = entry
  }

  function pop(): void {
    const last = heap.pop() as Entry
    if (heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry, heap[child] as Entry)) child += 1
      if (!isBefore(heap[child] as Entry, last)) break
      heap[index] = heap[child] as Entry
      index = child
    }
    heap[index] = last
  }

  return {
    set(id, dueMs) {
      if (times.get(id) === dueMs) return
      times.set(id, dueMs)
      push({ id, dueMs })
      if (heap.length <= 2 * times.size + 1_000) return
      heap = []
      for (const [id, dueMs] of times) push({ id, dueMs })
    },
    delete(id) {
      times.delete(id)
    },
    take(nowMs, limit) {
      const ids: string[] = []
      for (let first = heap[0]; first && first.dueMs <= nowMs && ids.length < limit; first = heap[0]) {
        pop()
        if (times.get(first.id) !== first.dueMs) continue
        times.delete(first.id)
        ids.push(first.id)
      }
      return ids
    },
  }
}

function isBefore(one: Entry, other: Entry): boolean {
  return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.id < other.id)
}
