/** What a list of orders asks of the API. With few modules, since the entry begins to read the first page. */

import type { OrderStatus } from '~/api/client'
import { given, urlOf } from '~/api/query'

/** `by` is `name` if the orders are read and compared with `q` here, since the API finds no names. */
export type OrdersSearch = {
  q?: string
  by?: string
  status?: string
  from?: string
  to?: string
  customer?: string
}

const PAGE = 50
const MOST = 100

const STATUSES = ['pending', 'confirmed', 'shipped', 'delivered', 'returned', 'cancelled', 'expired']

/** The statuses of a search, which are separated by commas. Unknown ones are ignored. */
export function statusesOf(search: OrdersSearch): OrderStatus[] {
  return (search.status ?? '').split(',').filter((it) => STATUSES.includes(it)) as OrderStatus[]
}

/** Whether the orders are compared with `q` here. */
export function isCompared({ q, by }: OrdersSearch): boolean {
  return !!q && by === 'name'
}

/** The parameters of the API for a page of the list. It has one search at a time: for `q` or for a customer. */
export function orderQuery(search: OrdersSearch, cursor?: string) {
  const status = statusesOf(search)
  const { q, from, to, customer } = search
  const filters = { cursor, status: status.length ? status : undefined, from, to }
  if (isCompared(search)) return { limit: MOST, ...given({ ...filters, customer_id: customer }) }
  return { limit: PAGE, ...given({ ...filters, q, customer_id: q ? undefined : customer }) }
}

/** The path of the first page. */
export function firstPage(search: OrdersSearch): string {
  return urlOf('/api/v1/orders', orderQuery(search))
}
