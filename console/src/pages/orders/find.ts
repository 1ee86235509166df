/** Finds orders by name. The API finds the other terms; names are compared here, in the orders that were read. */

import type { Order, Page } from '~/api/client'

/** A text as it is compared: without accents, blanks at its ends, and capitals. */
function plain(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').trim().toLowerCase()
}

/** Whether a name, an e-mail address or the number in another system of an order has this text. */
export function matches(order: Order, words: string): boolean {
  const wanted = plain(words)
  const { customer, contact, external_ref: external, shipping_address, billing_address } = order
  return [
    customer?.email,
    [customer?.first_name, customer?.last_name].filter(Boolean).join(' '),
    contact?.email,
    contact?.name,
    external?.id,
    shipping_address?.name,
    shipping_address?.company,
    billing_address?.name,
    billing_address?.company,
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
