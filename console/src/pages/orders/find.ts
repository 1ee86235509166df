/** Finds orders by number, name, e-mail address or tracking number. The API filters by day; the rest is compared here. */

import type { Order, Page } from '~/api/client'

const NUMBER = /^(\d{4})(\d{2})(\d{2})(?:-[0-9a-z]*)?$/i

/** The day that a number of an order begins with, as 2026-11-29, or null: 20261129-8K2M4XW1ZT. */
export function dayOf(words: string): string | null {
  const [, year, month, day] = NUMBER.exec(words.trim()) ?? []
  if (!day) return null
  const date = `${year}-${month}-${day}`
  const time = Date.parse(`${date}T00:00:00Z`)
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(date) ? date : null
}

/** A text as it is compared: without accents, blanks at its ends, and capitals. */
function plain(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').trim().toLowerCase()
}

/** Whether the number, tracking number, e-mail address or a name of an order has this text. */
export function matches(order: Order, words: string): boolean {
  const wanted = plain(words)
  const { customer, contact, external_ref: external, shipment, shipping_address: address } = order
  return [
    order.number,
    order.id,
    shipment?.tracking_number,
    customer?.email,
    contact?.email,
    contact?.name,
    external?.id,
    [customer?.first_name, customer?.last_name].filter(Boolean).join(' '),
    address?.name,
  ].some((it) => it && plain(it).includes(wanted))
}

/** A page of a search. `searched_to`: the time of the oldest order that was compared. */
export type Searched = Page<Order> & { searched_to?: string | undefined }

export function keepMatches(page: Page<Order>, words: string): Searched {
  return {
    ...page,
    items: page.items.filter((it) => matches(it, words)),
    searched_to: page.items.at(-1)?.created_at,
  }
}
