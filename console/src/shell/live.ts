/** Follows the feed of events while the page is visible, so that lists and pages show what has changed. */

import { useEffect, useState, useSyncExternalStore } from 'react'
import { api, body, type Schemas } from '~/api/client'
import { reread } from '~/api/queries'

const PAUSE_MS = 3000
const PAUSE_AFTER_FAILURE_MS = 15_000

type Event = Schemas['EventResponse']

/** The queries whose data an event of this kind changes, by the first part of the event's type. */
const CHANGED: Record<string, string[]> = {
  order: ['order', 'orders', 'sales', 'products', 'product', 'inventory'],
  product: ['products', 'product', 'inventory'],
  stock: ['products', 'product', 'inventory'],
  webhook: ['webhooks', 'webhook'],
  report: ['exports'],
  user: ['users', 'user'],
}

const listeners = new Set<(events: Event[]) => void>()

const MOST_RECENT = 300
/** The events since the sign-in, newest first. */
let recent: Event[] = []
const onlookers = new Set<() => void>()

function remember(next: Event[]): void {
  recent = next
  for (const onlooker of onlookers) onlooker()
}

/** The latest events since the sign-in, newest first. */
export function useRecentEvents(): Event[] {
  return useSyncExternalStore(
    (onlooker) => {
      onlookers.add(onlooker)
      return () => onlookers.delete(onlooker)
    },
    () => recent,
  )
}

function readAgain(names: Iterable<string>): void {
  for (const name of names) void reread(name)
}

function tell(events: Event[]): void {
  const kinds = new Set(events.map((it) => it.type.split('.')[0] ?? ''))
  // The list of orders shows new ones when the user asks, so that rows do not move under the pointer.
  for (const kind of kinds) readAgain((CHANGED[kind] ?? []).filter((it) => it !== 'orders'))
  for (const listener of listeners) listener(events)
  remember([...events.toReversed(), ...recent].slice(0, MOST_RECENT))
}

/** Calls `listener` with new events. */
export function useEvents(listener: (events: Event[]) => void): void {
  useEffect(() => {
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
    }
  }, [listener])
}

/** Follows the feed from now on. Returns whether it was read the last time. */
export function useFeed(): boolean {
  const [current, setCurrent] = useState(true)
  useEffect(() => {
    let cursor: string | null = null
    let failed = false
    let timer: ReturnType<typeof setTimeout>
    let ended = false
    const look = async () => {
      let pause = PAUSE_MS
      try {
        if (document.visibilityState === 'visible') {
          // A cursor belongs to the `after` that it was given for.
          const query = { after: 'latest', limit: 100, ...(cursor ? { cursor } : {}) }
          const page: Schemas['EventPage'] = await body(api.GET('/api/v1/events', { params: { query } }))
          cursor = page.resume_cursor ?? cursor
          // The events since the failure are not in this page.
          if (failed) readAgain(new Set(Object.values(CHANGED).flat()))
          failed = false
          if (page.items.length) tell(page.items)
          setCurrent(true)
        }
      } catch {
        cursor = null
        failed = true
        pause = PAUSE_AFTER_FAILURE_MS
        setCurrent(false)
      }
      if (!ended) timer = setTimeout(look, pause)
    }
    void look()
    return () => {
      ended = true
      clearTimeout(timer)
      // The next user may be one who may see less.
      remember([])
    }
  }, [])
  return current
}
