/** Events, their types from the catalogue, and the names by which people know what they are about. */

import { useQuery } from '@tanstack/react-query'
import { api, body, type Page, type Schemas } from '~/api/client'
import { given } from '~/api/query'
import type { EventsSearch } from '~/router'
import type { Texts } from '~/texts/en'

export type Event = Schemas['EventResponse']
export type EventType = Schemas['EventTypeResponse']

/** Sent to the webhook under test alone: it is neither in the feed nor chosen for a webhook. */
export const TEST_TYPE = 'webhook.test'

async function readCatalogue(): Promise<EventType[]> {
  return (await body(api.GET('/api/v1/event-catalogue'))).items as EventType[]
}

/** The types of events. They change only with a new version of the system. */
export function useCatalogue() {
  return useQuery({
    queryKey: ['event-catalogue'],
    queryFn: readCatalogue,
    staleTime: Number.POSITIVE_INFINITY,
  })
}

export async function readEvent(id: string): Promise<Event> {
  return (await body(api.GET('/api/v1/events/{event_id}', { params: { path: { event_id: id } } }))) as Event
}

export async function readLog(search: EventsSearch, cursor?: string): Promise<Page<Event>> {
  const query = {
    limit: 50,
    ...given({ type: search.type }),
    ...(cursor ? { cursor } : given({ after: search.after })),
  }
  return (await body(api.GET('/api/v1/events', { params: { query } }))) as Page<Event>
}

export function groupOf(type: string): string {
  return type.split('.')[0] ?? type
}

/** The types by their groups, in the order of the catalogue. */
export function grouped(types: EventType[]): [string, EventType[]][] {
  const groups = new Map<string, EventType[]>()
  for (const it of types) groups.set(groupOf(it.type), [...(groups.get(groupOf(it.type)) ?? []), it])
  return [...groups]
}

/** Whether one of the patterns (`order.created`, `order.*`, `*`) covers a type or a narrower pattern. */
export function covers(patterns: string[], type: string): boolean {
  return patterns.some(
    (it) => it === '*' || it === type || (it.endsWith('.*') && type.startsWith(it.slice(0, -1))),
  )
}

/** The patterns with one more, which replaces those that it covers, or with one less. */
export function toggled(patterns: string[], pattern: string, on: boolean): string[] {
  if (!on) return patterns.filter((it) => it !== pattern)
  return [...patterns.filter((it) => !covers([pattern], it)), pattern]
}

/** The name of a type or pattern; of one that this version does not know, the type itself. */
export function nameOfType(type: string, texts: Texts): string {
  const names: Record<string, string> = texts.events.types
  return names[type] ?? type
}

const COLOURS: Record<string, string> = {
  'stock.out': 'red',
  'webhook.disabled': 'red',
  order: 'green',
  product: 'blue',
  stock: 'amber',
  webhook: 'violet',
}

export function colourOf(type: string): string {
  return COLOURS[type] ?? COLOURS[groupOf(type)] ?? ''
}

export type Subject = { to: string; text: string; admin?: boolean }

/** The page of the subject of an event, and its name. */
export function subjectOf(event: Pick<Event, 'type' | 'data'>): Subject | null {
  const data = event.data as Record<string, unknown>
  const text = (name: string) => (typeof data[name] === 'string' ? (data[name] as string) : '')
  switch (groupOf(event.type)) {
    case 'order':
      return { to: `/orders/${text('id')}`, text: text('number') }
    case 'product':
      return { to: `/products/${text('id')}`, text: text('name') }
    case 'stock':
      return { to: `/products/${text('product_id')}`, text: text('name') }
    case 'webhook':
      return { to: `/webhooks/${text('id')}`, text: text('host') }
    case 'report':
      return { to: `/exports/${text('id')}`, text: text('report') }
    case 'user':
      return { to: `/users/${text('id')}`, text: text('id'), admin: true }
    default:
      return null
  }
}
