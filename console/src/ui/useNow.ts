import { useSyncExternalStore } from 'react'

const starts = new Map<number, { now: number; listeners: Set<() => void> }>()

/** The current time in milliseconds, which changes every `period` milliseconds; all readers share one timer. */
export function useNow(period: number): number {
  let clock = starts.get(period)
  if (!clock) {
    clock = { now: Date.now(), listeners: new Set() }
    starts.set(period, clock)
    const shared = clock
    setInterval(() => {
      shared.now = Date.now()
      for (const listener of shared.listeners) listener()
    }, period)
  }
  const { listeners } = clock
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => clock.now,
  )
}
