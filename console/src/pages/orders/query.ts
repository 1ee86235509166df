/** What a list of orders asks of the API. With few modules, since the entry begins to read the first page. */

import type { OrderStatus } from '~/api/client'
import { given, urlOf } from '~/api/query'
import { dayOf } from './find'

export type OrdersSearch = { q?: string; status?: string; from?: string; to?: string; customer?: string }

const PAGE = 50
const MOST = 100

const STATUSES = ['pending', 'confirmed', 'shipped', 'delivered', 'returned', 'cancelled', 'expired']

/** The statuses of a search, which are separated by commas. Unknown ones are ignored. */
export function statusesOf(search: OrdersSearch): OrderStatus[] {
  return (search.status ?? '').split(',').filter((it) => STATUSES.includes(it)) as OrderStatus[]
}

/** The parameters of the API for a page of the list. A search for `q` compares as many orders as a page can have. */
export function orderQuery(search: OrdersSearch, cursor?: string) {
  const status = statusesOf(search)
  const day = search.q && dayOf(search.q)
  return {
    limit: search.q ? MOST : PAGE,
    ...given({
      cursor,
      status: status.length ? status : undefined,
      from: search.from || day,
      to: search.to || day,
      customer_id: search.customer,
    }),
  }
}

/** The path of the first page. */
export function firstPage(search: OrdersSearch): string {
  return urlOf('/api/v1/orders', orderQuery(search))
}
